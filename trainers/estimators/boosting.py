"""Gradient boosting on histograms, for quantities and for classes."""

from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from trainers.estimators.family import Family

BOOSTING = Family(
    "boosting",
    {
        "regression": HistGradientBoostingRegressor,
        "classification": HistGradientBoostingClassifier,
    },
    takes_missing=True,
    dense=True,
)
