"""The signature of a model of XGBoost or LightGBM: what its file says, and what is declared."""

from dataclasses import replace

from registry.engines.boosting.model import BoostedModel, Categories
from registry.errors import ArtifactRefused, Fault, MetadataRefused
from registry.formats.used_columns import is_name_of
from registry.signature import Column, ColumnType, Label, Output, OutputType, Signature

_TYPES: dict[type, OutputType] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
}


def read_boosted_signature(
    model: BoostedModel, declared: Signature | None, labels: tuple[Label, ...] | None = None
) -> Signature:
    """The declared signature, which must match ``model``, or the model's own.

    Every column may be null, as in the libraries. Classes are ``labels`` if these are known, else
    they are numbered from 0 unless labels are declared in the order of these numbers. Raises
    MetadataRefused, ArtifactRefused.
    """
    own = _own(model, labels)
    if declared is None:
        return own
    if labels is not None and declared.output.classes not in (None, labels):
        fault = Fault("signature.output.classes", f"expected the model's {list(labels)[:20]}")
        raise MetadataRefused("The signature does not match the model's classes.", [fault])
    if len(declared.inputs) != len(own.inputs):
        message = f"{len(declared.inputs)} columns are declared, the model takes {len(own.inputs)}"
        raise MetadataRefused(
            f"The signature does not match: {message}.", [Fault("signature.inputs", message)]
        )
    faults = []
    for index, (said, column) in enumerate(zip(declared.inputs, own.inputs, strict=True)):
        at = f"signature.inputs[{index}]"
        is_own = is_name_of(said.name, column.name, replaces_blanks=model.replaces_blanks)
        if model.names is not None and not is_own:
            faults.append(Fault(f"{at}.name", f"the model names this column '{column.name}'"))
        if said.type == "date" or (said.type == "string") != (column.type == "string"):
            kind = "text" if column.type == "string" else "numbers"
            faults.append(Fault(f"{at}.type", f"the model was trained with {kind} in this column"))
    if faults:
        raise MetadataRefused("The signature does not match the model's columns.", faults)
    return Signature(declared.inputs, _output(own.output, declared.output))


def _own(model: BoostedModel, labels: tuple[Label, ...] | None) -> Signature:
    names = model.names or tuple(f"x{index}" for index in range(model.parameters.n_features))
    columns = tuple(
        Column(name, _type(model.categories.get(index)), nullable=True)
        for index, name in enumerate(names)
    )
    classes = None if model.class_count is None else labels or tuple(range(model.class_count))
    kinds = {_TYPES.get(type(label)) for label in classes or ()} or {"number"}
    kind = kinds.pop() if len(kinds) == 1 else None
    own = Signature(columns, Output("prediction", kind or "string", classes))
    try:
        return Signature.from_json(own.to_json())
    except MetadataRefused as error:
        first = next(iter(error.faults))
        raise ArtifactRefused(
            f"The model's own columns are not accepted: {first.at}: {first.message}.", error.faults
        ) from error


def _type(categories: Categories | None) -> ColumnType:
    if not categories:
        return "number"
    if all(isinstance(category, bool) for category in categories):
        return "boolean"
    return "string" if isinstance(categories[0], str) else "number"


def _output(own: Output, said: Output) -> Output:
    if own.classes is None:
        if said.classes is not None or said.type not in {"number", "integer"}:
            fault = Fault("signature.output", "the model predicts a number")
            raise MetadataRefused("The signature does not match the model's task.", [fault])
        return replace(own, name=said.name)
    if said.classes is None:
        return replace(own, name=said.name)
    kinds = {_TYPES[type(label)] for label in said.classes}
    if len(said.classes) != len(own.classes) or len(set(said.classes)) != len(own.classes):
        fault = Fault("signature.output.classes", f"expected {len(own.classes)} different labels")
        raise MetadataRefused("The signature does not match the model's classes.", [fault])
    if kinds != {said.type}:
        fault = Fault("signature.output.type", f"the classes have the type {', '.join(kinds)}")
        raise MetadataRefused("The signature does not match the model's classes.", [fault])
    return said
