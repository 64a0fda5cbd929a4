"""From the bytes of an uploaded ONNX file to a model that serves, and to its signature."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from onnx import TensorProto

from registry.errors import ArtifactRefused
from registry.intake.onnx_upload.answers import read_heads, read_output
from registry.intake.onnx_upload.columns import input_tensors, read_inputs
from registry.intake.onnx_upload.first_run import (
    are_probabilities,
    check_order,
    check_sizes,
    compare,
    run_own,
    sample_rows,
)
from registry.intake.onnx_upload.graph import follow
from registry.intake.onnx_upload.layout import Given, Heads, Writer
from registry.intake.onnx_upload.protobuf import Model, parse
from registry.intake.parity import Parity
from registry.signature import Signature

_MAX_VOCABULARY = 5_000_000


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A checked ONNX file: ``compiled`` is what serves it, ``parity`` how far that is off it."""

    compiled: bytes
    signature: Signature
    opset: int
    parity: Parity


def read_upload(content: bytes, declared: Mapping[str, Any]) -> Uploaded:
    """Check the file ``content`` and make of it what serves.

    ``declared`` may hold a ``signature``; what it claims must agree with the graph.

    Raises ArtifactRefused, MetadataRefused.
    """
    model = parse(content)
    said = declared.get("signature")
    claimed = None if said is None else Signature.from_json(said)
    given, columns = read_inputs(model, claimed)
    found = follow(model, input_tensors(given))
    heads, ordered = read_heads(model, found, claimed)
    signature = Signature(columns, read_output(heads, claimed))
    compiled, writer = _written(model, given, heads)
    check_sizes(compiled, given.width, writer, found)
    batch = sample_rows(signature, list(writer.words))
    own = run_own(content, given, batch, signature, heads)
    if own.probabilities is not None:
        if not are_probabilities(own.probabilities):
            # Some exporters give scores in their place, which are not served as probabilities.
            own = replace(own, probabilities=None)
            compiled, _ = _written(model, given, replace(heads, probabilities=None))
        elif not ordered:
            check_order(own, signature)
    return Uploaded(compiled, signature, model.opset, compare(compiled, signature, batch, own))


def _written(model: Model, given: Given, heads: Heads) -> tuple[bytes, Writer]:
    writer = Writer(model)
    try:
        written = writer.write(given, heads)
    except (TypeError, ValueError, OverflowError) as error:
        raise ArtifactRefused(f"The ONNX file cannot be written anew: {error}.") from error
    texts = sum(kind == TensorProto.STRING for kind in given.types)
    if texts * sum(map(len, writer.words)) > _MAX_VOCABULARY:
        raise ArtifactRefused("The ONNX file knows more texts than are taken.")
    return written, writer
