"""XGBoost's gradient boosting, for quantities and for classes. Imports xgboost."""

from functools import partial
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from xgboost import XGBClassifier, XGBRegressor

from trainers.estimators.family import LARGEST_FLOAT32, Constraints, Family


class LabelClassifier(XGBClassifier):
    """An XGBClassifier of labels of any type; XGBoost itself learns only the classes 0, 1, …"""

    # X and y are the names that scikit-learn passes.
    def fit(self, X: Any, y: Any, **more: Any) -> Self:  # noqa: N803
        vars(self).pop("labels_", None)
        labels, codes = np.unique(y, return_inverse=True)
        super().fit(X, codes, **more)
        self.labels_ = labels
        return self

    def predict(self, X: Any, **more: Any) -> Any:  # noqa: N803
        return self.labels_[super().predict(X, **more)]

    @property
    def classes_(self) -> Any:
        # XGBoost compares its own with the codes while it fits.
        return self.labels_ if hasattr(self, "labels_") else super().classes_

    def uploaded(self) -> XGBClassifier:
        """The same model as an XGBClassifier, which predicts places in its ``labels_``."""
        made = XGBClassifier()
        vars(made).update(vars(self))
        return made


_ABOVE_0 = Interval(Real, 0, None, closed="neither")
_FROM_0 = Interval(Real, 0, None, closed="left")
_SHARE = Interval(Real, 0, 1, closed="right")
_WHOLE = Interval(Integral, 0, None, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")
_IMPORTANCE = StrOptions({"gain", "weight", "cover", "total_gain", "total_cover"})
_OBJECTIVES = (
    *("reg:absoluteerror", "reg:gamma", "reg:logistic", "reg:pseudohubererror"),
    *("reg:squarederror", "reg:squaredlogerror", "reg:tweedie", "count:poisson"),
)
# Without what needs other data than a table (callbacks, early stopping), changes how rows are read
# (missing, categories) or refers to features by number, of which a recipe's columns have several.
_BOTH: Constraints = {
    "n_estimators": [_COUNT],
    "learning_rate": [_ABOVE_0, None],
    "max_depth": [_WHOLE, None],
    "max_leaves": [_WHOLE, None],
    "max_bin": [Interval(Integral, 2, None, closed="left"), None],
    "grow_policy": [StrOptions({"depthwise", "lossguide"}), None],
    "tree_method": [StrOptions({"auto", "exact", "approx", "hist"}), None],
    "gamma": [_FROM_0, None],
    "min_child_weight": [_FROM_0, None],
    "max_delta_step": [_FROM_0, None],
    "subsample": [_SHARE, None],
    "colsample_bytree": [_SHARE, None],
    "colsample_bylevel": [_SHARE, None],
    "colsample_bynode": [_SHARE, None],
    "reg_alpha": [_FROM_0, None],
    "reg_lambda": [_FROM_0, None],
    "num_parallel_tree": [_COUNT, None],
    "importance_type": [_IMPORTANCE, None],
}
_DEFAULTS = {"n_estimators": 100}
# On one core, since several add the gradients in varying order.
_FIXED = {"n_jobs": 1, "verbosity": 0}

XGBOOST = Family(
    "xgboost",
    {
        "regression": partial(XGBRegressor, **_FIXED),
        "classification": partial(LabelClassifier, **_FIXED),
    },
    {"regression": _DEFAULTS, "classification": _DEFAULTS},
    takes_missing=True,
    largest=LARGEST_FLOAT32,
    # What a sparse matrix leaves out is missing to XGBoost, not zero.
    dense=True,
    constraints={
        "regression": {**_BOTH, "objective": [StrOptions(set(_OBJECTIVES))]},
        "classification": {**_BOTH, "scale_pos_weight": [_FROM_0, None]},
    },
)
