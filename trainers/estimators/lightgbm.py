"""LightGBM's gradient boosting, for quantities and for classes. Imports lightgbm."""

from numbers import Integral

from lightgbm import LGBMClassifier, LGBMRegressor
from lightgbm.basic import LightGBMError
from sklearn.utils._param_validation import Interval, StrOptions

from trainers.estimators.family import (
    ABOVE_0,
    COUNT,
    FROM_0,
    SHARE,
    WHOLE,
    Constraints,
    library_family,
)

_OBJECTIVES = (
    *("regression", "regression_l1", "huber", "fair", "poisson"),
    *("quantile", "mape", "gamma", "tweedie"),
)
_BOTH: Constraints = {
    "boosting_type": [StrOptions({"gbdt", "dart"})],
    "n_estimators": [COUNT],
    "learning_rate": [ABOVE_0],
    "num_leaves": [Interval(Integral, 2, 131_072, closed="both")],
    "max_depth": [Interval(Integral, -1, None, closed="left")],
    "subsample_for_bin": [COUNT],
    "min_split_gain": [FROM_0],
    "min_child_weight": [FROM_0],
    "min_child_samples": [WHOLE],
    "subsample": [SHARE],
    "subsample_freq": [WHOLE],
    "colsample_bytree": [SHARE],
    "reg_alpha": [FROM_0],
    "reg_lambda": [FROM_0],
    "importance_type": [StrOptions({"split", "gain"})],
}
# LightGBM otherwise chooses by a measured time whether threads divide rows or columns, which
# changes the order in which gradients are added.
_FIXED = {"n_jobs": 1, "verbosity": -1, "deterministic": True, "force_col_wise": True}

LIGHTGBM = library_family(
    "lightgbm",
    {"regression": LGBMRegressor, "classification": LGBMClassifier},
    _FIXED,
    {
        "regression": {**_BOTH, "objective": [StrOptions(set(_OBJECTIVES)), None]},
        "classification": {**_BOTH, "class_weight": [StrOptions({"balanced"}), None]},
    },
    failures=(LightGBMError,),
)
