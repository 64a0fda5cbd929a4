"""What is read of the estimators of XGBoost and LightGBM in skops and joblib files.

The libraries' own classes are never created: their boosters would be parsed by C++ code that trusts
the bytes. Each estimator is read as a stand-in with the attributes that are named here and its
parameters that are plain values; everything else in it is left out.
"""

from collections.abc import Mapping, Sequence

_MODULE = "registry.engines.boosting.estimators"
STAND_INS: Mapping[str, str] = {
    "lightgbm.sklearn.LGBMClassifier": f"{_MODULE}.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor": f"{_MODULE}.LGBMRegressor",
    "xgboost.sklearn.XGBClassifier": f"{_MODULE}.XGBClassifier",
    "xgboost.sklearn.XGBRFClassifier": f"{_MODULE}.XGBRFClassifier",
    "xgboost.sklearn.XGBRFRegressor": f"{_MODULE}.XGBRFRegressor",
    "xgboost.sklearn.XGBRegressor": f"{_MODULE}.XGBRegressor",
}
"""The stand-in of each estimator, by their full names."""

BOOSTERS = frozenset({"lightgbm.basic.Booster", "xgboost.core.Booster"})
"""What the estimators contain as ``_Booster``."""

_Places = Mapping[str, Sequence[tuple[str, ...]]]
_XGBOOST: _Places = {
    "label_encoder_": [("_le",)],
    "labels_": [("labels_",)],
    "missing": [("missing",)],
    "model_": [("_Booster", "handle")],
    "n_classes_": [("n_classes_",)],
}
_LIGHTGBM: _Places = {
    "_best_iteration": [("_Booster", "best_iteration")],
    "classes_": [("_classes",)],
    "_is_named": [("_fitted_with_feature_names",)],
    "model_": [("_Booster", "_handle"), ("_Booster", "handle")],
}


def kept_attributes(name: str) -> _Places:
    """The attributes of the stand-in of the estimator ``name``, and where in that estimator each
    is: in the first of these places that has a value."""
    return _XGBOOST if name.startswith("xgboost.") else _LIGHTGBM


def is_parameter(name: str) -> bool:
    """Whether ``name`` may be that of a parameter, which is kept if it is a plain value."""
    return not name.startswith("_") and not name.endswith("_") and name != "missing"
