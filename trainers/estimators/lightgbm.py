"""LightGBM's gradient boosting, for quantities and for classes. Imports lightgbm."""

from functools import partial
from numbers import Integral, Real

from lightgbm import LGBMClassifier, LGBMRegressor
from lightgbm.basic import LightGBMError
from sklearn.utils._param_validation import Interval, StrOptions

from trainers.estimators.family import Constraints, Family

_FROM_0 = Interval(Real, 0, None, closed="left")
_SHARE = Interval(Real, 0, 1, closed="right")
_WHOLE = Interval(Integral, 0, None, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")
_OBJECTIVES = (
    *("regression", "regression_l1", "huber", "fair", "poisson"),
    *("quantile", "mape", "gamma", "tweedie"),
)
_BOTH: Constraints = {
    "boosting_type": [StrOptions({"gbdt", "dart"})],
    "n_estimators": [_COUNT],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "num_leaves": [Interval(Integral, 2, 131_072, closed="both")],
    "max_depth": [Interval(Integral, -1, None, closed="left")],
    "subsample_for_bin": [_COUNT],
    "min_split_gain": [_FROM_0],
    "min_child_weight": [_FROM_0],
    "min_child_samples": [_WHOLE],
    "subsample": [_SHARE],
    "subsample_freq": [_WHOLE],
    "colsample_bytree": [_SHARE],
    "reg_alpha": [_FROM_0],
    "reg_lambda": [_FROM_0],
    "importance_type": [StrOptions({"split", "gain"})],
}
# LightGBM otherwise chooses by a measured time whether threads divide rows or columns, which
# changes the order in which gradients are added.
_FIXED = {"n_jobs": 1, "verbosity": -1, "deterministic": True, "force_col_wise": True}
_DEFAULTS = {"n_estimators": 100}

LIGHTGBM = Family(
    "lightgbm",
    {
        "regression": partial(LGBMRegressor, **_FIXED),
        "classification": partial(LGBMClassifier, **_FIXED),
    },
    {"regression": _DEFAULTS, "classification": _DEFAULTS},
    takes_missing=True,
    dense=True,
    constraints={
        "regression": {**_BOTH, "objective": [StrOptions(set(_OBJECTIVES)), None]},
        "classification": {**_BOTH, "class_weight": [StrOptions({"balanced"}), None]},
    },
    failures=(LightGBMError,),
)
