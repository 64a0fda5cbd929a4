"""The signature of a fitted scikit-learn model: declared by the uploader, or read from the model.

A model knows how many columns it takes, mostly their names, and its classes; types it shows only
where an encoder has kept the categories it saw.
"""

from collections.abc import Iterator
from typing import Any

from registry.errors import ArtifactRefused, Fault, MetadataRefused
from registry.signature import MAX_CLASSES, Column, ColumnType, Label, Output, Signature

_TEXT_KINDS = "OUS"


def read_signature(model: Any, declared: object | None) -> Signature:
    """The declared signature, completed by what the model knows, or the model's own.

    Raises MetadataRefused where the two do not agree, ArtifactRefused where the model is not
    fitted, has several outputs or neither task.
    """
    output = _output(model)
    count = getattr(model, "n_features_in_", None)
    if not isinstance(count, int) or count < 1:
        raise ArtifactRefused("The model does not say how many columns it takes. Is it fitted?")
    names = [str(name) for name in getattr(model, "feature_names_in_", [])] or None
    if declared is None:
        return Signature(_columns(model, names or [f"x{i}" for i in range(count)]), output)
    signature = Signature.from_json(declared)
    _check_inputs(signature, count, names)
    return Signature(signature.inputs, _checked_output(signature.output, output))


def _check_inputs(signature: Signature, count: int, names: list[str] | None) -> None:
    if len(signature.inputs) != count:
        message = f"{len(signature.inputs)} columns are said, the model takes {count}"
        raise MetadataRefused(
            f"The signature does not fit: {message}.", [Fault("signature.inputs", message)]
        )
    faults = [
        Fault(f"signature.inputs[{index}].name", f"the model calls this column '{name}'")
        for index, (said, name) in enumerate(zip(signature.names, names or (), strict=False))
        if said != name
    ]
    if faults:
        raise MetadataRefused("The signature does not fit the model's columns.", faults)


def _checked_output(said: Output, own: Output) -> Output:
    if said.classes is not None and said.classes != own.classes:
        fault = Fault("signature.output.classes", f"the model's are {list(own.classes or ())[:20]}")
        raise MetadataRefused("The signature does not fit the model's classes.", [fault])
    if own.classes is not None and said.type != own.type:
        fault = Fault("signature.output.type", f"the model's classes are of type '{own.type}'")
        raise MetadataRefused("The signature does not fit the model's classes.", [fault])
    if own.classes is None and said.type not in {"number", "integer"}:
        fault = Fault("signature.output.type", "a regression's output is a number")
        raise MetadataRefused("The signature does not fit the model's task.", [fault])
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
    if not 1 <= len(labels) <= MAX_CLASSES or not all(
        isinstance(label, str | int | float) for label in labels
    ):
        raise ArtifactRefused("The classes must be texts, numbers or booleans.")
    types = {_type_of(label) for label in labels}
    return Output("prediction", types.pop() if len(types) == 1 else "string", labels)


def _type_of(label: Label) -> ColumnType:
    if isinstance(label, bool):
        return "boolean"
    if isinstance(label, str):
        return "string"
    return "integer" if isinstance(label, int) else "number"


def _columns(model: Any, names: list[str]) -> tuple[Column, ...]:
    texts, nullables = set(), set()
    for step, columns in routes(model, list(range(len(names)))):
        for index, column in enumerate(columns):
            if _keeps_text(step, index):
                texts.add(column)
            if type(step).__name__ == "SimpleImputer":
                nullables.add(column)
    return tuple(
        Column(name, "string" if index in texts else "number", index in nullables)
        for index, name in enumerate(names)
    )


def routes(step: Any, columns: list[int]) -> Iterator[tuple[Any, list[int]]]:
    """Each transformer that still sees the model's own columns, with which of them it sees."""
    if hasattr(step, "steps"):
        for _, inner in step.steps:
            yield from routes(inner, columns)
            if type(inner).__name__ != "SimpleImputer":
                return  # what comes after has seen other columns come or go
    elif hasattr(step, "transformers_"):
        for name, inner, chosen in step.transformers_:
            if name != "remainder" and not isinstance(inner, str):
                yield from routes(inner, chosen_columns(step, chosen, columns))
    else:
        yield step, columns


def chosen_columns(step: Any, chosen: Any, columns: list[int]) -> list[int]:
    """What a ColumnTransformer's choice means in positions: names, numbers, a slice or a mask."""
    import numpy as np

    names = list(getattr(step, "feature_names_in_", []))
    if isinstance(chosen, str | int):
        chosen = [chosen]
    if isinstance(chosen, slice):
        return columns[chosen]
    picked = list(chosen)
    if picked and isinstance(picked[0], bool | np.bool):
        return [column for column, taken in zip(columns, picked, strict=True) if taken]
    return [columns[names.index(item) if isinstance(item, str) else int(item)] for item in picked]


def _keeps_text(step: Any, index: int) -> bool:
    categories = getattr(step, "categories_", None)
    if categories is not None and index < len(categories):
        return categories[index].dtype.kind in _TEXT_KINDS
    statistics = getattr(step, "statistics_", None)
    return statistics is not None and statistics.dtype.kind in _TEXT_KINDS
