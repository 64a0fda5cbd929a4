"""What a fitted model has stored of the values of its columns, and so can distinguish in a row.

scikit-learn's encoders and imputers compare by type: a text is not a number, an object not a
double, and of ``None`` and NaN each is an unknown value to an encoder that was fitted with the
other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, Literal

import numpy as np

VECTORIZERS = frozenset({"CountVectorizer", "HashingVectorizer", "TfidfVectorizer"})
"""Steps that take one column of texts, in one dimension, and store no number of columns."""
_ONE_COLUMN = VECTORIZERS | {"IsotonicRegression"}
_EXACT = 2**53
"""Up to here a double can represent every integer."""
_GIVEN_THE_SAME = {
    "CalibratedClassifierCV": "calibrated_classifiers_",
    "GradientBoostingClassifier": "init_",
    "GradientBoostingRegressor": "init_",
    "HistGradientBoostingClassifier": "_preprocessor",
    "HistGradientBoostingRegressor": "_preprocessor",
    "MultiOutputClassifier": "estimators_",
    "MultiOutputRegressor": "estimators_",
    "OneVsOneClassifier": "estimators_",
    "OneVsRestClassifier": "estimators_",
    "OutputCodeClassifier": "estimators_",
    "StackingClassifier": "estimators_",
    "StackingRegressor": "estimators_",
    "TransformedTargetRegressor": "regressor_",
    "VotingClassifier": "estimators_",
    "VotingRegressor": "estimators_",
    "_CalibratedClassifier": "estimator",
}
"""The attribute of an estimator with those that get its own, unchanged rows."""


@dataclass(slots=True)
class KeptValues:
    """About one column: the ``kind`` of the categories and fill values, None where it has none;
    "date" where a DateEncoder reads it.

    ``objects``: they are numbers stored as Python objects, which only equal such objects. ``null``:
    the null that the model knows, if any. ``inexact``: an integer among them that no double can
    represent. ``of_fill``: the kind is that of a value that replaces missing ones, and no encoder
    after it has said otherwise.
    """

    kind: Literal["text", "boolean", "number", "date"] | None = None
    objects: bool = False
    null: Literal["none", "nan"] | None = None
    inexact: int | None = None
    of_fill: bool = False


_HOLDING = ("calibrated_classifiers_", "estimators_", "estimator_", "regressor_", "estimator")
"""Attributes with estimators that get the model's own columns, where it does not store how many."""


def kept_values(model: Any, columns: Sequence[int]) -> list[KeptValues]:
    """What ``model`` has stored of each of its columns, which are numbered ``columns``.

    The result is in the order of the numbers, from 0; see ``used_columns.model_columns``.
    """
    kept = [KeptValues() for _ in range(max(columns) + 1)]
    for step, seen in routes(model, list(columns)):
        for index, column in enumerate(seen):
            _add(kept[column], step, index)
    return kept


def routes(step: Any, columns: list[int]) -> Iterator[tuple[Any, list[int]]]:
    """Each transformer that gets columns of the model's input, with these columns."""
    if hasattr(step, "steps"):
        for _, inner in step.steps:
            if isinstance(inner, str | None):  # passes the columns on
                continue
            yield from routes(inner, columns)
            if type(inner).__name__ != "SimpleImputer":
                return  # the steps after it may get other columns
    elif hasattr(step, "transformers_"):
        for name, inner, chosen in step.transformers_:
            if name != "remainder" and not isinstance(inner, str):
                yield from routes(inner, chosen_columns(step, chosen, columns))
    elif (members := members_given_the_same(step)) is not None:
        for inner in members:
            yield from routes(inner, columns)
    else:
        yield step, columns


def members_given_the_same(step: Any) -> list[Any] | None:
    """The estimators inside ``step`` that get its own, unchanged rows; None where it has none."""
    held = getattr(step, _GIVEN_THE_SAME.get(type(step).__name__, ""), None)
    inside = held if isinstance(held, list | tuple) else [held]
    return [inner for inner in inside if not isinstance(inner, str | None)] or None


def input_estimator(model: Any) -> Any:
    """The first estimator inside ``model`` that gets its columns, and stores their number and
    names as ``n_features_in_`` and ``feature_names_in_``.

    The properties of scikit-learn's ``Pipeline`` stop at a first step that is "passthrough".
    """
    own = vars(model)
    if type(model).__name__ == "Pipeline":
        steps = [step for _, step in own["steps"] if not isinstance(step, str | None)]
        return input_estimator(steps[0]) if steps else model
    if "n_features_in_" not in own:
        for key in _HOLDING:
            held = own.get(key)
            if isinstance(held, list | tuple) and held:
                return input_estimator(held[0])
            if held is not None and hasattr(held, "__dict__"):
                return input_estimator(held)
    return model


def input_width(model: Any) -> int | None:
    """How many columns ``model`` takes; None where it does not state that."""
    first = input_estimator(model)
    if type(first).__name__ in _ONE_COLUMN:
        return 1
    count = getattr(first, "n_features_in_", None)
    return int(count) if isinstance(count, int | np.integer) else None


def chosen_columns(step: Any, chosen: Any, columns: list[int]) -> list[int]:
    """The columns that a ColumnTransformer chooses: by names, numbers, a slice or a mask."""
    names = list(getattr(step, "feature_names_in_", []))
    if isinstance(chosen, str | int):
        chosen = [chosen]
    if isinstance(chosen, slice):
        return columns[_by_position(chosen, names)]
    picked = list(chosen)
    if picked and isinstance(picked[0], bool | np.bool):
        return [column for column, taken in zip(columns, picked, strict=True) if taken]
    return [columns[names.index(item) if isinstance(item, str) else int(item)] for item in picked]


def _by_position(chosen: slice, names: list[str]) -> slice:
    """A slice of names includes its end, as in pandas."""
    start, stop = chosen.start, chosen.stop
    return slice(
        names.index(start) if isinstance(start, str) else start,
        names.index(stop) + 1 if isinstance(stop, str) else stop,
        chosen.step,
    )


def _add(kept: KeptValues, step: Any, index: int) -> None:
    if type(step).__name__ in VECTORIZERS:
        kept.kind, kept.objects = "text", False
        return
    if type(step).__name__ == "DateEncoder":
        kept.kind = "date"
        return
    if type(step).__name__ == "TextEncoder":
        kept.kind, kept.objects = "text", False
        return
    values, dtype = _values(step, index)
    nulls = {"none" if value is None else "nan" for value in values if is_null(value)}
    if type(step).__name__ == "SimpleImputer":
        kept.null = kept.null or ("none" if step.missing_values is None else "nan")
    elif nulls:
        kept.null = kept.null or ("nan" if "nan" in nulls else "none")
    known = [value for value in values if not is_null(value)]
    if type(step).__name__ == "SimpleImputer":
        kept.of_fill = kept.of_fill or (bool(known) and kept.kind is None)
    elif known and kept.of_fill:
        # What replaces missing values may have another type than the values, if none is missing.
        kept.kind, kept.objects, kept.of_fill = None, False, False
    if any(isinstance(value, str) for value in known):
        kept.kind, kept.objects = "text", False
    elif known and kept.kind != "text":
        booleans = all(isinstance(value, bool) for value in known)
        kept.kind = "boolean" if booleans and kept.kind != "number" else "number"
        kept.objects = kept.objects or dtype == "O"
    kept.inexact = next(
        (value for value in known if isinstance(value, int) and abs(value) > _EXACT), kept.inexact
    )


def _values(step: Any, index: int) -> tuple[list[Any], str]:
    """The categories of the input column ``index`` of ``step``, or its fill value; its dtype."""
    categories = getattr(step, "categories_", None)
    if categories is not None and index < len(categories):
        return categories[index].tolist(), categories[index].dtype.kind
    statistics = getattr(step, "statistics_", None)
    if statistics is not None and index < len(statistics):
        # Constants are objects, whatever they replace.
        fitted = getattr(step, "_fit_dtype", None)
        dtype = fitted if isinstance(fitted, np.dtype) else statistics.dtype
        return [statistics[index : index + 1].tolist()[0]], dtype.kind
    return [], ""


def is_null(value: Any) -> bool:
    """Whether ``value`` is None or NaN."""
    return value is None or (isinstance(value, float) and isnan(value))
