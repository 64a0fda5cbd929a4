"""A random forest, for quantities and for classes."""

from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from trainers.estimators.family import LARGEST_FLOAT32, Family

# Two rows in a leaf: on the housing data the same RMSE as with one (48,180 and 48,210), and an
# artifact of less than half the size (66 and 147 MB before compression).
_DEFAULTS = {"n_estimators": 100, "min_samples_leaf": 2}

FOREST = Family(
    "forest",
    {"regression": RandomForestRegressor, "classification": RandomForestClassifier},
    {"regression": _DEFAULTS, "classification": _DEFAULTS},
    largest=LARGEST_FLOAT32,
    parallel=True,
)
