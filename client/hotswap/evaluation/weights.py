"""The importances or coefficients of a fitted model's features."""

from typing import Any

import numpy as np

MAX_WEIGHTS = 200


def weights(model: Any) -> dict[str, list[dict[str, Any]]]:
    """``importances`` or ``coefficients``, the largest first; empty for a model without any.

    ``model`` is a fitted estimator or pipeline. The features are those that reach its last
    estimator: the coefficient of a scaled column is the change for one standard deviation. Where
    each class has its own, ``value`` is the mean of the coefficients' absolute values, and
    ``by_class`` has each, in class order.
    """
    names, final = _features(model)
    kind, found = "importances", getattr(final, "feature_importances_", None)
    if found is None:
        kind, found = "coefficients", getattr(final, "coef_", None)
    if found is None:
        return {}
    found = found.toarray() if hasattr(found, "toarray") else found
    by_class = np.atleast_2d(np.asarray(found, dtype=np.float64))
    if by_class.ndim != 2 or not np.isfinite(by_class).all():
        return {}
    if names is None or len(names) != by_class.shape[1]:
        names = [f"x{index}" for index in range(by_class.shape[1])]
    values = by_class[0] if len(by_class) == 1 else np.abs(by_class).mean(axis=0)
    of_pairs = type(final).__name__ in {"NuSVC", "SVC"}  # one for each pair of classes
    of_classes = 1 < len(by_class) == len(getattr(final, "classes_", ())) and not of_pairs
    largest = np.argsort(-np.abs(values), kind="stable")[:MAX_WEIGHTS]
    entries: list[dict[str, Any]] = []
    for index in largest:
        entry: dict[str, Any] = {"feature": names[index], "value": float(values[index])}
        if of_classes:
            entry["by_class"] = by_class[:, index].tolist()
        entries.append(entry)
    return {kind: entries}


def _features(model: Any) -> tuple[list[str] | None, Any]:
    """The names of the features of the last estimator, where they are known, and that estimator."""
    names: list[str] | None = list(map(str, getattr(model, "feature_names_in_", []))) or None
    while True:
        inner = getattr(model, "best_estimator_", getattr(model, "regressor_", None))
        if inner is not None:
            model = inner
        elif hasattr(model, "steps"):
            names = _names_out(model[:-1]) if len(model.steps) > 1 else names
            model = model.steps[-1][1]
        else:
            return names, model


def _names_out(steps: Any) -> list[str] | None:
    try:
        named = [str(name) for name in steps.get_feature_names_out()]
    except (AttributeError, ValueError):  # a step does not know them
        return None
    if getattr(steps.steps[-1][1], "verbose_feature_names_out", False):
        # ColumnTransformer and FeatureUnion put the name of the part first: scale__age.
        return [name.partition("__")[2] or name for name in named]
    return named
