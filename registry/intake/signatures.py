"""The signature of a fitted scikit-learn model: declared by the uploader, or read from the model.

A model knows how many columns it takes, usually their names, and its classes. Types are known only
where an encoder has stored the categories of its training.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from registry.errors import ArtifactRefused, Fault, MetadataRefused, shown
from registry.formats.kept_values import KeptValues, input_estimator, kept_values
from registry.signature import (
    MAX_CLASSES,
    MAX_COLUMNS,
    Column,
    ColumnType,
    Label,
    Output,
    Signature,
)


def read_signature(model: Any, declared: object | None) -> Signature:
    """The declared signature, completed by what the model knows, or the model's own.

    Raises MetadataRefused where they do not match, ArtifactRefused where the model is not fitted,
    has several outputs, or is neither a regressor nor a classifier.
    """
    output = _output(model)
    first = input_estimator(model)
    count = getattr(first, "n_features_in_", None)
    if not isinstance(count, int) or count < 1:
        raise ArtifactRefused("The model does not state how many columns it takes. Is it fitted?")
    if count > MAX_COLUMNS:
        raise ArtifactRefused(
            f"The model takes {count} columns; at most {MAX_COLUMNS} are allowed."
        )
    names = [str(name) for name in getattr(first, "feature_names_in_", [])] or None
    kept = kept_values(model, count)
    own = _columns(kept, names or [f"x{i}" for i in range(count)])
    _check_exact(own, kept)
    _check_limits(Signature(own, output))
    if declared is None:
        return Signature(own, output)
    signature = Signature.from_json(declared)
    _check_inputs(signature, count, names)
    _check_types(signature, kept)
    return Signature(signature.inputs, _checked_output(signature.output, output))


def _check_limits(signature: Signature) -> None:
    """Check the model's own columns by the rules for declared ones."""
    try:
        Signature.from_json(signature.to_json())
    except MetadataRefused as error:
        first = next(iter(error.faults))
        raise ArtifactRefused(
            f"The model's own columns are not accepted: {first.at}: {first.message}.", error.faults
        ) from error


def _check_inputs(signature: Signature, count: int, names: list[str] | None) -> None:
    if len(signature.inputs) != count:
        message = f"{len(signature.inputs)} columns are declared, the model takes {count}"
        raise MetadataRefused(
            f"The signature does not match: {message}.", [Fault("signature.inputs", message)]
        )
    faults = [
        Fault(f"signature.inputs[{index}].name", f"the model names this column '{name}'")
        for index, (said, name) in enumerate(zip(signature.names, names or (), strict=False))
        if said != name
    ]
    if faults:
        raise MetadataRefused("The signature does not match the model's columns.", faults)


def _check_types(signature: Signature, kept: Sequence[KeptValues]) -> None:
    """Every text would silently be an unknown category of numbers, and the reverse."""
    faults = [
        Fault(
            f"signature.inputs[{index}].type",
            f"the model was trained with {own.kind} in this column",
        )
        for index, (said, own) in enumerate(zip(signature.inputs, kept, strict=True))
        if own.kind is not None and (said.type == "string") != (own.kind == "text")
    ]
    if faults:
        raise MetadataRefused("The signature does not match the model's categories.", faults)


def _check_exact(columns: Sequence[Column], kept: Sequence[KeptValues]) -> None:
    for column, own in zip(columns, kept, strict=True):
        if own.inexact is not None:
            raise ArtifactRefused(
                f"The column {shown(column.name)} has the category {own.inexact}: integers "
                "beyond 2**53 are not distinct here. Train with them as texts."
            )


def _checked_output(said: Output, own: Output) -> Output:
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
    return Output(said.name, own.type, own.classes)


def _output(model: Any) -> Output:
    from sklearn.base import is_classifier, is_regressor

    if is_regressor(model):
        return Output("prediction", "number")
    if not is_classifier(model):
        raise ArtifactRefused(f"{type(model).__name__} is neither a regressor nor a classifier.")
    classes = getattr(model, "classes_", None)
    if classes is None or isinstance(classes, list) or classes.ndim != 1:
        raise ArtifactRefused("The classifier has no classes, or several outputs.")
    labels: tuple[Label, ...] = tuple(classes.tolist())
    if not 1 <= len(labels) <= MAX_CLASSES:
        raise ArtifactRefused(
            f"The model has {len(labels)} classes; 1 to {MAX_CLASSES} are allowed."
        )
    if not all(map(_is_label, labels)):
        raise ArtifactRefused("The classes must be texts, finite numbers or booleans.")
    types = {_type_of(label) for label in labels}
    return Output("prediction", types.pop() if len(types) == 1 else "string", labels)


def _is_label(label: Any) -> bool:
    return isinstance(label, str) or (isinstance(label, int | float) and isfinite(label))


def _type_of(label: Label) -> ColumnType:
    if isinstance(label, bool):
        return "boolean"
    if isinstance(label, str):
        return "string"
    return "integer" if isinstance(label, int) else "number"


def _columns(kept: Sequence[KeptValues], names: Sequence[str]) -> tuple[Column, ...]:
    types: dict[str | None, ColumnType] = {"text": "string", "boolean": "boolean"}
    return tuple(
        # scikit-learn has converted booleans that are not objects to numbers, and takes either.
        Column(
            name,
            types.get(own.kind, "number") if own.kind == "text" or own.objects else "number",
            own.null is not None,
        )
        for name, own in zip(names, kept, strict=True)
    )
