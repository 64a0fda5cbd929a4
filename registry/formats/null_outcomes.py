"""Which columns of a fitted model may be null in a row to predict.

A step fills a null, as an imputer does, or keeps it, as a scaler does, or refuses it. Where it is
kept, the next step gets it, up to the estimator that predicts. What an estimator does is in its
tags; what an encoder does depends on the categories that it was fitted with, since a category that
was not among them carries no information.
"""

from collections.abc import Iterable, Sequence
from math import isnan
from typing import Any, Literal

from registry.formats.kept_values import (
    chosen_columns,
    input_estimator,
    is_null,
    members_given_the_same,
)

Outcome = Literal["filled", "kept", "refused"]
_ORDER: tuple[Outcome, ...] = ("filled", "kept", "refused")
_FILLING = frozenset(
    {"BandEncoder", "IterativeImputer", "KNNImputer", "MissingIndicator", "SimpleImputer"}
)


def accepts_null(model: Any, columns: int) -> list[bool]:
    """For each of the ``columns`` columns of ``model``, whether a row may lack a value there."""
    return [outcome != "refused" for outcome in _outcomes(model, columns)]


def _outcomes(step: Any, width: int) -> list[Outcome]:
    """What becomes of a null in each of the ``width`` columns that ``step`` gets."""
    if step is None or isinstance(step, str):  # "passthrough" or "drop"
        return ["filled" if step == "drop" else "kept"] * width
    if hasattr(step, "steps"):
        return _of_pipeline(step, width)
    if hasattr(step, "transformers_"):
        return _of_columns(step, width)
    if (members := _members(step)) is not None:
        return _of_members(step, members, width)
    if hasattr(step, "estimators_features_"):  # bagging: each member gets some of the columns
        return [_anywhere(step.estimators_)] * width
    return _of_last(step, width)


def _members(step: Any) -> list[Any] | None:
    if hasattr(step, "transformer_list"):
        return [part for _, part in step.transformer_list]
    # Gradient boosting checks the rows before its first estimator gets them, and that of histograms
    # takes what its encoder does not know for a null.
    checks = hasattr(step, "init_") or hasattr(step, "_preprocessor")
    return None if checks else members_given_the_same(step)


def _of_pipeline(pipeline: Any, width: int) -> list[Outcome]:
    """The columns that a step returns are not followed: a null that is kept may be in any."""
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    if not steps:
        return ["kept"] * width
    outcomes = _outcomes(steps[0], width)
    for step in steps[1:]:
        if "kept" not in outcomes:
            break
        later = _anywhere([step])
        outcomes = [later if outcome == "kept" else outcome for outcome in outcomes]
    return outcomes


def _of_columns(transformer: Any, width: int) -> list[Outcome]:
    """A column that no part gets is dropped, and may have any value."""
    outcomes: list[Outcome] = ["filled"] * width
    for _, part, chosen in transformer.transformers_:
        picked = chosen_columns(transformer, chosen, list(range(width)))
        for column, outcome in zip(picked, _outcomes(part, len(picked)), strict=True):
            outcomes[column] = max(outcomes[column], outcome, key=_ORDER.index)
    return outcomes


def _of_members(ensemble: Any, members: Sequence[Any], width: int) -> list[Outcome]:
    found = [_outcomes(member, width) for member in members]
    if getattr(ensemble, "passthrough", False):  # stacking that gives its columns to the last one
        found.append([_anywhere([ensemble.final_estimator_])] * width)
    return _worst(found, width)


def _of_last(step: Any, width: int) -> list[Outcome]:
    """Of an estimator that passes its rows to no other."""
    categories = getattr(step, "categories_", None)
    if isinstance(categories, list) and len(categories) == width:
        return [_of_encoder(step, known) for known in categories]
    if type(step).__name__ == "TextEncoder":
        return ["filled"] * width
    if type(step).__name__ == "DateEncoder":
        return ["kept" if isnan(date) else "filled" for date in step.fill_]
    if type(step).__name__ == "MissingIndicator" and _is_partial(step):
        known = set(step.features_.tolist())
        return ["filled" if column in known else "refused" for column in range(width)]
    return [_of_estimator(step)] * width


def _is_partial(indicator: Any) -> bool:
    """Whether it refuses nulls in columns where its training had none."""
    return bool(indicator.error_on_new and indicator.features != "all")


def _of_encoder(encoder: Any, categories: Any) -> Outcome:
    if not any(map(is_null, categories.tolist())):
        return "refused"
    code = getattr(encoder, "encoded_missing_value", None)
    return "kept" if is_null(code) and code is not None else "filled"


def _of_estimator(estimator: Any) -> Outcome:
    from sklearn.utils import get_tags

    name, tags = type(estimator).__name__, get_tags(estimator)
    if name == "DateEncoder":
        return "kept" if estimator.fill is None else "filled"
    if tags.input_tags.allow_nan or getattr(estimator, "missing_values", "") is None:
        return "filled" if name in _FILLING else "kept"
    return "kept" if tags.no_validation else "refused"


def _anywhere(steps: Iterable[Any]) -> Outcome:
    """The worst that becomes of a null, in whatever column of whichever of ``steps``."""
    found = [
        outcome
        for step in steps
        for outcome in _outcomes(step, getattr(input_estimator(step), "n_features_in_", 1))
    ]
    return max(found, key=_ORDER.index, default="kept")


def _worst(found: Sequence[Sequence[Outcome]], width: int) -> list[Outcome]:
    if not found:
        return ["kept"] * width
    return [max(outcomes, key=_ORDER.index) for outcomes in zip(*found, strict=True)]
