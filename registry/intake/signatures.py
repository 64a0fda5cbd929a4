"""The signature of a fitted scikit-learn model: declared by the uploader, or read from the model.

A model knows how many columns it takes, usually their names, which of them it drops, where it
accepts a null, and its classes. Types are known only where an encoder has stored the categories of
its training.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from registry.errors import ArtifactRefused, Fault, MetadataRefused, shown
from registry.formats.kept_values import KeptValues, input_estimator, input_width, kept_values
from registry.formats.members import BY_TARGET
from registry.formats.null_outcomes import accepts_null
from registry.formats.used_columns import column_names, is_name_of, used_columns
from registry.intake.conversion.pipeline import final_estimator
from registry.signature import (
    MAX_CLASSES,
    MAX_COLUMNS,
    Column,
    ColumnType,
    Label,
    Output,
    OutputType,
    Signature,
)


@dataclass(frozen=True, slots=True)
class _Own:
    """A column as the model itself knows it."""

    column: Column
    kept: KeptValues


def read_signature(
    model: Any, declared: object | None, fallback: Sequence[object] | None = None
) -> Signature:
    """The declared signature, completed by what the model knows, or the model's own.

    ``fallback`` is used as the declared inputs where nothing is declared, if the model does not
    know the names of its columns and takes as many.

    Raises MetadataRefused where they do not match, ArtifactRefused where the model is not fitted,
    has several outputs, or is neither a regressor nor a classifier.
    """
    from sklearn.base import is_outlier_detector

    output = _output(model)
    count = input_width(model)
    if count is None or count < 1:
        raise ArtifactRefused("The model does not state how many columns it takes. Is it fitted?")
    if count > MAX_COLUMNS:
        raise ArtifactRefused(
            f"The model takes {count} columns; at most {MAX_COLUMNS} are allowed."
        )
    names = column_names(model)
    used = range(count) if names is None else sorted(used_columns(model, count)) or range(count)
    columns = _columns(model, count, names or [f"x{i}" for i in range(count)])
    own = [columns[position] for position in used]
    _check_exact(own)
    known = Signature(tuple(each.column for each in own), output)
    _check_limits(known)
    if declared is None and names is None and fallback is not None and len(fallback) == count:
        declared = {"inputs": list(fallback)}
    if declared is None:
        return known
    dropped = set(names or ()) - set(known.names)
    signature = Signature.from_json(_completed(declared, known, dropped))
    _check_count(signature, known)
    if names is not None:
        replaces_blanks = getattr(input_estimator(model), "replaces_blanks", False)
        _check_names(signature, known, replaces_blanks=replaces_blanks)
    _check_types(signature, own)
    scores = bool(is_outlier_detector(model))
    return Signature(signature.inputs, _checked_output(signature.output, output, scores=scores))


def _completed(declared: object, known: Signature, dropped: Collection[str]) -> object:
    """``declared`` without the columns ``dropped``, and with what it leaves out: the type of a
    column, whether it is nullable, the output or its type.

    What is not of the expected form is left as it is, to be refused.
    """
    if not isinstance(declared, Mapping):
        return declared
    own = known.to_json()
    completed = {"output": own["output"], **declared}
    if isinstance(output := declared.get("output"), Mapping):
        completed["output"] = {"type": known.output.type, **output}
    inputs = declared.get("inputs")
    if not isinstance(inputs, list):
        return completed
    names = [each.get("name") if isinstance(each, Mapping) else None for each in inputs]
    kept = [each for each, name in zip(inputs, names, strict=True) if name not in dropped]
    completed["inputs"] = [
        {"type": column["type"], "nullable": column["nullable"], **each}
        if isinstance(each, Mapping)
        else each
        for each, column in zip(kept, own["inputs"], strict=False)
    ] + kept[len(own["inputs"]) :]
    return completed


def _check_limits(signature: Signature) -> None:
    """Check the model's own columns by the rules for declared ones."""
    try:
        Signature.from_json(signature.to_json())
    except MetadataRefused as error:
        first = next(iter(error.faults))
        raise ArtifactRefused(
            f"The model's own columns are not accepted: {first.at}: {first.message}.", error.faults
        ) from error


def _check_count(signature: Signature, known: Signature) -> None:
    declared, taken = len(signature.inputs), len(known.inputs)
    if declared != taken:
        message = f"{declared} columns are declared, the model takes {taken}"
        raise MetadataRefused(
            f"The signature does not match: {message}.", [Fault("signature.inputs", message)]
        )


def _check_names(signature: Signature, known: Signature, *, replaces_blanks: bool) -> None:
    faults = [
        Fault(f"signature.inputs[{index}].name", f"the model names this column '{own}'")
        for index, (said, own) in enumerate(zip(signature.names, known.names, strict=True))
        if not is_name_of(said, own, replaces_blanks=replaces_blanks)
    ]
    if faults:
        raise MetadataRefused("The signature does not match the model's columns.", faults)


def _check_types(signature: Signature, own: Sequence[_Own]) -> None:
    """Every text would silently be an unknown category of numbers, and the reverse."""
    faults = [
        Fault(
            f"signature.inputs[{index}].type",
            f"the model was trained with {each.kept.kind} in this column",
        )
        for index, (said, each) in enumerate(zip(signature.inputs, own, strict=True))
        if each.kept.kind is not None and _TYPES.get(each.kept.kind) != _TYPES.get(said.type)
    ]
    if faults:
        raise MetadataRefused("The signature does not match the model's categories.", faults)


_TYPES: Mapping[str, str] = {"text": "text", "string": "text", "date": "date"}
"""By the kind of what a model has stored, and by the types of columns, what must agree; all others
are numbers."""


def _check_exact(own: Sequence[_Own]) -> None:
    for each in own:
        if each.kept.inexact is not None:
            raise ArtifactRefused(
                f"The column {shown(each.column.name)} has the category {each.kept.inexact}: "
                "integers beyond 2**53 are not distinct here. Train with them as texts."
            )


def _checked_output(said: Output, own: Output, *, scores: bool) -> Output:
    """The declared output, if it is the model's. ``scores``: the model detects outliers, and the
    uploader may declare a number, the score of each row, instead of labels."""
    if scores and said.classes is None and said.type == "number":
        return Output(said.name, "number")
    if said.classes is not None and said.classes != own.classes:
        fault = Fault(
            "signature.output.classes",
            f"expected the model's classes, {list(own.classes or ())[:20]}",
        )
        raise MetadataRefused("The signature does not match the model's classes.", [fault])
    if own.classes is not None and said.type != own.type:
        fault = Fault("signature.output.type", f"the model's classes have the type '{own.type}'")
        raise MetadataRefused("The signature does not match the model's classes.", [fault])
    if own.classes is None and said.type not in {"number", "integer"}:
        fault = Fault("signature.output.type", "a regression's output is a number")
        raise MetadataRefused("The signature does not match the model's task.", [fault])
    if said.size is not None and said.size != own.size:
        fault = Fault("signature.output.size", f"the model predicts {own.size or 1} for each row")
        raise MetadataRefused("The signature does not match the model's predictions.", [fault])
    return Output(said.name, own.type, own.classes, own.size)


def _output(model: Any) -> Output:
    from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor

    if is_regressor(model):
        count = _outputs(model)
        return Output("prediction", "number", size=count if count > 1 else None)
    if is_outlier_detector(model):
        return Output("prediction", "integer", (-1, 1))
    if is_clusterer(model):
        centers = final_estimator(model).cluster_centers_
        return Output("prediction", "integer", tuple(range(len(centers))))
    if not is_classifier(model):
        raise ArtifactRefused(
            f"{type(model).__name__} predicts neither numbers, labels, outliers nor clusters. Add "
            "an estimator that does at the end of the pipeline."
        )
    classes: Any = getattr(model, "classes_", None)
    if isinstance(classes, list) and classes:
        return _labels_of(np.unique(np.concatenate(classes)).tolist(), len(classes))
    if not isinstance(classes, np.ndarray) or classes.ndim != 1:
        raise ArtifactRefused("The classifier has no classes.")
    return _labels_of(classes.tolist(), None)


def _outputs(model: Any) -> int:
    """How many numbers a regressor predicts for a row, by what it has stored."""
    final = final_estimator(model)
    own = vars(final)
    if "regressor_" in own:
        return _outputs(own["regressor_"])
    if type(final).__name__ in {"MultiOutputRegressor", "RegressorChain"}:
        return len(own["estimators_"])
    if "n_outputs_" in own:
        return int(own["n_outputs_"])
    if "estimator_" in own and type(final).__name__ in {"RFE", "RFECV"}:
        return _outputs(own["estimator_"])
    key = BY_TARGET.get(type(final).__name__, "coef_")
    if np.ndim(own.get(key)) == 2:
        rows, columns = own[key].shape
        return int(rows if key == "coef_" else columns)
    members = own.get("estimators_")
    return _outputs(members[0]) if type(final).__name__ == "BaggingRegressor" else 1


def _labels_of(classes: list[Any], size: int | None) -> Output:
    """The output of a classifier. Raises ArtifactRefused where a class is not a label."""
    if not 1 <= len(classes) <= MAX_CLASSES:
        raise ArtifactRefused(
            f"The model has {len(classes)} classes; 1 to {MAX_CLASSES} are allowed."
        )
    if not all(map(_is_label, classes)):
        raise ArtifactRefused("The classes must be texts, finite numbers or booleans.")
    types = {_type_of(label) for label in classes}
    return Output("prediction", types.pop() if len(types) == 1 else "string", tuple(classes), size)


def _is_label(label: Any) -> bool:
    return isinstance(label, str) or (isinstance(label, int | float) and isfinite(label))


def _type_of(label: Label) -> OutputType:
    if isinstance(label, bool):
        return "boolean"
    if isinstance(label, str):
        return "string"
    return "integer" if isinstance(label, int) else "number"


def _columns(model: Any, count: int, names: Sequence[str]) -> list[_Own]:
    kept = kept_values(model, range(count))
    nullable = accepts_null(model, count)
    return [
        _Own(Column(name, _column_type(own), accepted or own.null is not None), own)
        for name, own, accepted in zip(names, kept, nullable, strict=True)
    ]


def _column_type(kept: KeptValues) -> ColumnType:
    if kept.kind == "text":
        return "string"
    if kept.kind == "date":
        return "date"
    # scikit-learn has converted booleans that are not objects to numbers, and takes either.
    return "boolean" if kept.kind == "boolean" and kept.objects else "number"
