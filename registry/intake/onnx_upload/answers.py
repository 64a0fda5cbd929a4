"""The outputs of an uploaded graph: a number, or a label and its probabilities."""

from dataclasses import replace

from registry.errors import ArtifactRefused, Fault, MetadataRefused, shown
from registry.intake.onnx_upload.graph import Followed
from registry.intake.onnx_upload.layout import Heads
from registry.intake.onnx_upload.protobuf import Model
from registry.signature import MAX_CLASSES, ColumnType, Label, Output, Signature


def read_heads(model: Model, found: Followed, claimed: Signature | None) -> tuple[Heads, bool]:
    """What answers, and whether the uploader has said in which order the classes stand."""
    if not 1 <= len(model.outputs) <= 2:
        raise ArtifactRefused(
            f"The ONNX graph has {len(model.outputs)} outputs: one, or a label and probabilities, "
            "are taken."
        )
    answer = model.outputs[0]
    tensor = found.tensors.get(answer)
    if tensor is None or not tensor.rows or tensor.cells != 1:
        raise ArtifactRefused(f"The ONNX output {shown(answer)} is not one value for each row.")
    said = None if claimed is None else claimed.output.classes
    if len(model.outputs) == 1 and said is None and tensor.kind == "float":
        return Heads(answer, "float"), False
    if tensor.kind == "float" or tensor.labels is None:
        raise ArtifactRefused(
            f"The ONNX output {shown(answer)} is no label whose classes are known: it has to come "
            "from a classifier, ArgMax, LabelEncoder or constants."
        )
    shares, zipped = (None, None) if len(model.outputs) == 1 else _probabilities(model, found)
    classes = _classes(tensor.labels, said or zipped)
    if shares is not None and found.tensors[shares].shape != (len(classes),):
        raise ArtifactRefused(
            f"The ONNX output {shown(model.outputs[1])} is not one probability for each of the "
            f"{len(classes)} classes."
        )
    return Heads(answer, tensor.kind, classes, shares), bool(said or zipped)


def _probabilities(model: Model, found: Followed) -> tuple[str, tuple[Label, ...] | None]:
    """The tensor of the second output, and the classes that a ZipMap gave it."""
    shares, zipped = found.zipped.get(model.outputs[1], (model.outputs[1], None))
    tensor = found.tensors.get(shares)
    if tensor is None or not tensor.rows or tensor.kind != "float" or tensor.turned:
        raise ArtifactRefused(
            f"The ONNX output {shown(model.outputs[1])} is no row of probabilities."
        )
    return shares, zipped


def _classes(labels: tuple[Label, ...], said: tuple[Label, ...] | None) -> tuple[Label, ...]:
    """The classes in the order that is said; they are what the label may be, and no others."""
    classes = said or labels
    if len(set(map(_key, classes))) != len(classes) or {*map(_key, classes)} != {
        *map(_key, labels)
    }:
        fault = Fault("signature.output.classes", f"the graph's are {list(labels)[:20]}")
        raise MetadataRefused("The signature does not fit the graph's classes.", [fault])
    if not 1 <= len(classes) <= MAX_CLASSES:
        raise ArtifactRefused(f"The ONNX graph has {len(classes)} classes.")
    return classes


def _key(label: Label) -> tuple[bool, Label]:
    return isinstance(label, str), label


def read_output(heads: Heads, claimed: Signature | None) -> Output:
    if heads.classes is None:
        own = Output("prediction", "number")
    else:
        types: dict[str, ColumnType] = {
            "text": "string",
            "integer": "integer",
            "boolean": "boolean",
        }
        own = Output("prediction", types[heads.kind], heads.classes)
    if claimed is None:
        return own
    kinds = {own.type} if heads.classes is not None else {"number", "integer"}
    if claimed.output.type not in kinds:
        fault = Fault("signature.output.type", f"the graph's output is of type '{own.type}'")
        raise MetadataRefused("The signature does not fit the graph's output.", [fault])
    return replace(own, name=claimed.output.name)
