"""The columns of a fitted model that it uses: a ColumnTransformer may drop some unseen.

A column that is dropped can have any value and any type, so the signature of a model that knows the
names of its columns does not list it. Rows by position contain every column of the model.
"""

from collections.abc import Sequence
from typing import Any

from registry.formats.kept_values import chosen_columns, input_estimator, members_given_the_same

DROPPED = -1
"""The number of a column that is not in the signature."""


def column_names(model: Any) -> list[str] | None:
    """The names of the columns that ``model`` was fitted on; None where they had none."""
    return [str(name) for name in getattr(input_estimator(model), "feature_names_in_", [])] or None


def is_name_of(declared: str, own: str, *, replaces_blanks: bool) -> bool:
    """Whether a column that is ``declared`` may be that which the model calls ``own``.

    ``replaces_blanks``: the model has replaced the blanks in its names, as LightGBM does.
    """
    return own in (declared, declared.replace(" ", "_") if replaces_blanks else declared)


def used_columns(model: Any, width: int) -> set[int]:
    """Those of the ``width`` columns of ``model`` that are not dropped, by position."""
    return _used(model, list(range(width)))


def model_columns(model: Any, names: Sequence[str]) -> list[int]:
    """For each column of ``model`` its position among the columns ``names`` of the signature.

    DROPPED for a column that is not among them.
    """
    own = column_names(model)
    if own is None or len(own) == len(names):
        return list(range(len(names)))
    positions = {name: position for position, name in enumerate(names)}
    return [positions.get(name, DROPPED) for name in own]


def _used(step: Any, columns: list[int]) -> set[int]:
    if isinstance(step, str | None):
        return set() if step == "drop" else set(columns)
    if hasattr(step, "steps"):
        steps = [inner for _, inner in step.steps if not isinstance(inner, str | None)]
        return _used(steps[0], columns) if steps else set(columns)
    if hasattr(step, "transformers_"):
        parts = [(inner, chosen_columns(step, chosen, columns)) for _, inner, chosen in
                 step.transformers_]  # fmt: skip
        return {column for inner, chosen in parts for column in _used(inner, chosen)}
    if hasattr(step, "transformer_list"):
        return {column for _, inner in step.transformer_list for column in _used(inner, columns)}
    members = members_given_the_same(step)
    if members is None or getattr(step, "passthrough", False) or hasattr(step, "init_"):
        return set(columns)
    return {column for inner in members for column in _used(inner, columns)}
