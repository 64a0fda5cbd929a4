"""Saves a fitted model as a file that the service accepts."""

import io
from math import isnan
from typing import Any, Literal

Saved = tuple[Literal["skops", "joblib", "xgboost", "lightgbm"], bytes]


def save(model: Any) -> Saved:
    """``model`` as a skops file, or as a joblib file where skops is not installed or cannot
    contain it; a model of XGBoost or LightGBM in the format of its library, where the booster alone
    predicts as the model does."""
    library = type(model).__module__.partition(".")[0]
    if library == "xgboost" and _is_its_booster(model):
        return "xgboost", bytes(model.get_booster().save_raw("ubj"))
    if library == "lightgbm":
        return "lightgbm", model.booster_.model_to_string().encode()
    try:
        from skops.io.exceptions import UnsupportedTypeException

        from hotswap.fitted.deterministic_skops import to_bytes
    except ImportError:
        return "joblib", _joblib(model)
    try:
        return "skops", to_bytes(model)
    except UnsupportedTypeException:
        return "joblib", _joblib(model)


def _is_its_booster(model: Any) -> bool:
    """Whether XGBoost's booster predicts as its estimator: with all trees, with NaN alone for a
    missing value, and by the same sums, which differ for DART."""
    stopped_early = model.get_booster().attr("best_iteration") is not None
    return bool(isnan(model.missing) and model.booster in {None, "gbtree"} and not stopped_early)


def _joblib(model: Any) -> bytes:
    import joblib

    file = io.BytesIO()
    joblib.dump(model, file, compress=("zlib", 3))
    return file.getvalue()
