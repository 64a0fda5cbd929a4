"""XGBoost's gradient boosting, for quantities and for classes. Imports xgboost."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from xgboost import XGBClassifier, XGBRegressor

from trainers.estimators.family import (
    ABOVE_0,
    COUNT,
    FROM_0,
    LARGEST_FLOAT32,
    SHARE,
    WHOLE,
    Constraints,
    library_family,
)


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


_IMPORTANCE = StrOptions({"gain", "weight", "cover", "total_gain", "total_cover"})
_OBJECTIVES = (
    *("reg:absoluteerror", "reg:gamma", "reg:logistic", "reg:pseudohubererror"),
    *("reg:squarederror", "reg:squaredlogerror", "reg:tweedie", "count:poisson"),
)
# Without what needs other data than a table (callbacks, early stopping), changes how rows are read
# (missing, categories) or refers to features by number, of which a recipe's columns have several.
_BOTH: Constraints = {
    "n_estimators": [COUNT],
    "learning_rate": [ABOVE_0, None],
    "max_depth": [WHOLE, None],
    "max_leaves": [WHOLE, None],
    "max_bin": [Interval(Integral, 2, None, closed="left"), None],
    "grow_policy": [StrOptions({"depthwise", "lossguide"}), None],
    "tree_method": [StrOptions({"auto", "exact", "approx", "hist"}), None],
    "gamma": [FROM_0, None],
    "min_child_weight": [FROM_0, None],
    "max_delta_step": [FROM_0, None],
    "subsample": [SHARE, None],
    "colsample_bytree": [SHARE, None],
    "colsample_bylevel": [SHARE, None],
    "colsample_bynode": [SHARE, None],
    "reg_alpha": [FROM_0, None],
    "reg_lambda": [FROM_0, None],
    "num_parallel_tree": [COUNT, None],
    "importance_type": [_IMPORTANCE, None],
}
# On one core, since several add the gradients in varying order.
_FIXED = {"n_jobs": 1, "verbosity": 0}

# Its features are dense: what a sparse matrix leaves out is missing to XGBoost, not zero.
XGBOOST = library_family(
    "xgboost",
    {"regression": XGBRegressor, "classification": LabelClassifier},
    _FIXED,
    {
        "regression": {**_BOTH, "objective": [StrOptions(set(_OBJECTIVES))]},
        "classification": {**_BOTH, "scale_pos_weight": [FROM_0, None]},
    },
    largest=LARGEST_FLOAT32,
)
