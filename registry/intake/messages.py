"""The messages between the service and a confined inspection.

The service does not trust those that it receives: the file that a confined process reads may have
taken it over.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from registry.engines.predictor import example_batch
from registry.errors import (
    ArtifactRefused,
    Fault,
    InputRefused,
    MetadataRefused,
    Refused,
    RegistryError,
    printable,
)
from registry.formats.reading import Format
from registry.intake.forms import Form
from registry.signature import Kind, Record, Signature, Task

MAX_FACTS = 32 * 2**20
"""Bytes of the message that describes a model; ten thousand columns with long names fit."""
MAX_ENGINE = 2**16
MAX_REASON = 500
"""Characters of the reason why an engine is not used."""

_MAX_TEXT = 10_000
_MAX_FAULTS = 100_000
_Short = Annotated[str, Meta(max_length=200)]
_Text = Annotated[str, Meta(max_length=_MAX_TEXT)]
_Difference = Annotated[float, Meta(ge=0)]
_Rows = Annotated[int, Meta(ge=0, le=1_000_000)]
_Size = Annotated[int, Meta(ge=0, le=2**40)]
_Reason = Annotated[str, Meta(max_length=MAX_REASON)]


class Job(msgspec.Struct, frozen=True):
    """The request for an inspection; ``declared``: what the uploader declared."""

    format: Format
    declared: dict[str, Any]


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="inspected"):
    """The description of a model.

    ``input_example``: a row to warm it up with, if it does not accept every row of its types.
    """

    kind: Kind
    task: Task
    params: Annotated[dict[_Short, _Text | int | float | bool | None], Meta(max_length=1000)]
    signature: dict[str, Any]
    environment: Annotated[dict[_Short, _Short], Meta(max_length=20)]
    input_example: Record | None = None


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="refused"):
    """Why an artifact is refused; ``faults``: each place, and what is wrong there."""

    error: Literal["ArtifactRefused", "MetadataRefused"]
    detail: _Text
    faults: Annotated[list[tuple[_Text, _Text]], Meta(max_length=_MAX_FAULTS)] = []

    def to_error(self) -> Refused:
        """The error that the uploader gets."""
        kind = MetadataRefused if self.error == "MetadataRefused" else ArtifactRefused
        faults = [Fault(printable(at), printable(message)) for at, message in self.faults]
        return kind(printable(self.detail), faults)


class Onnx(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="name",
    tag="onnx",
):
    """``reason``: why a faster engine for this kind of model is not used."""

    max_abs_diff: _Difference
    max_rel_diff: _Difference
    checked_rows: _Rows
    memory_bytes: _Size | None = None
    reason: _Reason | None = None


class Trees(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="name",
    tag="trees",
):
    """Without differences where there is no scikit-learn model to compare with."""

    max_abs_diff: _Difference | None = None
    max_rel_diff: _Difference | None = None
    checked_rows: _Rows | None = None
    memory_bytes: _Size | None = None


class Linear(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="linear"
):
    max_abs_diff: _Difference
    max_rel_diff: _Difference
    checked_rows: _Rows
    memory_bytes: _Size


class ScikitLearn(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="scikit-learn"
):
    reason: _Reason


class Compilation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``compiled`` names the messages that follow."""

    engine: Onnx | Trees | Linear | ScikitLearn
    compiled: Annotated[list[Form], Meta(max_length=3)]


_FORMS: Mapping[type, list[list[Form]]] = {
    ScikitLearn: [[]],
    Onnx: [["onnx"]],
    Trees: [
        ["onnx", "columns", "forest"],
        ["onnx", "features", "forest"],
        ["columns", "forest"],
        ["features", "forest"],
        ["columns", "boosting"],
        ["features", "boosting"],
        ["onnx", "columns", "boosting"],
        ["onnx", "features", "boosting"],
    ],
    Linear: [["onnx", "columns", "linear"], ["columns", "linear"]],
}
"""The compiled forms that an engine may have."""


def refusal(error: RegistryError) -> bytes:
    """The message that refuses the artifact because of ``error``, cut to the limits."""
    metadata = isinstance(error, MetadataRefused)
    faults = [(fault.at[:_MAX_TEXT], fault.message[:_MAX_TEXT]) for fault in error.faults]
    detail = error.detail[:_MAX_TEXT]
    message = b""
    # All faults if they fit, else the first of them.
    for share in (_MAX_FAULTS, 1_000, 0):
        message = msgspec.json.encode(
            Refusal("MetadataRefused" if metadata else "ArtifactRefused", detail, faults[:share])
        )
        if len(message) <= MAX_FACTS:
            break
    return message


def check_facts(message: bytes) -> None:
    """Check the facts of an inspection as the service will, before they are sent.

    Raises ArtifactRefused naming the limit that they exceed.
    """
    if len(message) > MAX_FACTS:
        raise ArtifactRefused(
            f"The model's description takes {len(message)} bytes; at most {MAX_FACTS} are allowed."
        )
    try:
        read_facts(message)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ArtifactRefused(
            f"The model's description exceeds a limit of the service: {error}."
        ) from error


def read_facts(message: bytes | bytearray) -> tuple[Facts, Signature]:
    """The facts of an inspection and the signature.

    Raises the refusal that it sent instead, and ValueError where the message is invalid.
    """
    facts = msgspec.json.decode(message, type=Facts | Refusal)
    if isinstance(facts, Refusal):
        raise facts.to_error()
    try:
        signature = Signature.from_json(facts.signature)
    except MetadataRefused as error:
        raise ValueError("the signature is invalid") from error
    if signature.task != facts.task:
        raise ValueError("the task does not match the signature")
    if facts.input_example is not None:
        try:
            example_batch(signature, facts.input_example)
        except InputRefused as error:
            raise ValueError("the input example is invalid") from error
    return facts, signature


def read_compilation(message: bytes | bytearray) -> Compilation:
    """The result of a compilation. Raises ValueError where the message is invalid."""
    result = msgspec.json.decode(message, type=Compilation)
    if result.compiled not in _FORMS[type(result.engine)]:
        raise ValueError("the engine does not match the compiled forms")
    return result
