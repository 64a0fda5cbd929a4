"""Which columns of a fitted model may be null in a row to predict.

A step fills a null, as an imputer does, or keeps it, as a scaler does, or refuses it. Where it is
kept, the next step gets it, up to the estimator that predicts. What an estimator does is in its
tags; what an encoder does depends on the categories that it was fitted with, since a category that
was not among them carries no information. Trees and forests keep a null in an array and refuse one
in a sparse matrix, so it is followed too which of these a step returns.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import isnan
from typing import Any, Literal

from registry.formats.kept_values import (
    VECTORIZERS,
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
_DENSE_ONLY = frozenset(
    f"{name}{kind}"
    for name in ("DecisionTree", "ExtraTree", "ExtraTrees", "RandomForest")
    for kind in ("Classifier", "Regressor")
)
"""Estimators whose tags say that they accept nulls, which holds for arrays alone:
``_support_missing_values`` of scikit-learn's trees."""
_SPARSE = VECTORIZERS | {"TextEncoder", "TfidfTransformer"}
"""Transformers that always return a sparse matrix."""


def accepts_null(model: Any, columns: int) -> list[bool]:
    """For each of the ``columns`` columns of ``model``, whether a row may lack a value there."""
    return [outcome != "refused" for outcome in _outcomes(model, columns)]


def _outcomes(step: Any, width: int, *, sparse: bool = False) -> list[Outcome]:
    """What becomes of a null in each of the ``width`` columns that ``step`` gets; ``sparse``: they
    are a sparse matrix."""
    if step is None or isinstance(step, str):  # "passthrough" or "drop"
        return ["filled" if step == "drop" else "kept"] * width
    if hasattr(step, "steps"):
        return _of_pipeline(step, width, sparse=sparse)
    if hasattr(step, "transformers_"):
        return _of_columns(step, width, sparse=sparse)
    if (members := _members(step)) is not None:
        return _of_members(step, members, width, sparse=sparse)
    # Bagging: each member gets some of the columns. The trees of an isolation forest do not check
    # what they get.
    if hasattr(step, "estimators_features_") and type(step).__name__ != "IsolationForest":
        return [_anywhere(step.estimators_, sparse=sparse)] * width
    return _of_last(step, width, sparse=sparse)


def _members(step: Any) -> list[Any] | None:
    if hasattr(step, "transformer_list"):
        return [part for _, part in step.transformer_list]
    # Gradient boosting checks the rows before its first estimator gets them, and that of histograms
    # takes what its encoder does not know for a null.
    checks = hasattr(step, "init_") or hasattr(step, "_preprocessor")
    return None if checks else members_given_the_same(step)


def _of_pipeline(pipeline: Any, width: int, *, sparse: bool) -> list[Outcome]:
    """The columns that a step returns are not followed: a null that is kept may be in any."""
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    if not steps:
        return ["kept"] * width
    outcomes = _outcomes(steps[0], width, sparse=sparse)
    for before, step in pairwise(steps):
        if "kept" not in outcomes:
            break
        sparse = _returns_sparse(before, sparse=sparse)
        later = _anywhere([step], sparse=sparse)
        outcomes = [later if outcome == "kept" else outcome for outcome in outcomes]
    return outcomes


def _returns_sparse(step: Any, *, sparse: bool) -> bool:
    """Whether ``step``, which keeps nulls, returns a sparse matrix. What turns one into an array,
    such as PCA, keeps no null."""
    name = type(step).__name__
    if name == "ColumnTransformer":
        return bool(getattr(step, "sparse_output_", False))
    if name == "FeatureUnion":
        return any(_returns_sparse(part, sparse=sparse) for _, part in step.transformer_list)
    if name == "Pipeline":
        for _, inner in step.steps:
            sparse = _returns_sparse(inner, sparse=sparse)
        return sparse
    return (
        sparse
        or name in _SPARSE
        or getattr(step, "sparse_output", False) is True
        or getattr(step, "sparse", False) is True
        or getattr(step, "encode", None) == "onehot"
    )


def _of_columns(transformer: Any, width: int, *, sparse: bool) -> list[Outcome]:
    """A column that no part gets is dropped, and may have any value."""
    outcomes: list[Outcome] = ["filled"] * width
    for _, part, chosen in transformer.transformers_:
        picked = chosen_columns(transformer, chosen, list(range(width)))
        for column, outcome in zip(
            picked, _outcomes(part, len(picked), sparse=sparse), strict=True
        ):
            outcomes[column] = max(outcomes[column], outcome, key=_ORDER.index)
    return outcomes


def _of_members(
    ensemble: Any, members: Sequence[Any], width: int, *, sparse: bool
) -> list[Outcome]:
    found = [_outcomes(member, width, sparse=sparse) for member in members]
    if getattr(ensemble, "passthrough", False):  # stacking that gives its columns to the last one
        found.append([_anywhere([ensemble.final_estimator_], sparse=sparse)] * width)
    return _worst(found, width)


def _of_last(step: Any, width: int, *, sparse: bool) -> list[Outcome]:
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
    if sparse and type(step).__name__ in _DENSE_ONLY:
        return ["refused"] * width
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


def _anywhere(steps: Iterable[Any], *, sparse: bool) -> Outcome:
    """The worst that becomes of a null, in whatever column of whichever of ``steps``."""
    found = [
        outcome
        for step in steps
        for outcome in _outcomes(
            step, getattr(input_estimator(step), "n_features_in_", 1), sparse=sparse
        )
    ]
    return max(found, key=_ORDER.index, default="kept")


def _worst(found: Sequence[Sequence[Outcome]], width: int) -> list[Outcome]:
    if not found:
        return ["kept"] * width
    return [max(outcomes, key=_ORDER.index) for outcomes in zip(*found, strict=True)]
