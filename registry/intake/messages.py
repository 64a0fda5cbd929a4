"""What the service and a confined inspection say to each other, and how the answers are read.

They are read as if an enemy had written them: a confined process may have been taken over by the
file that it read.
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
"""Bytes of what is said of a model; ten thousand columns with long names fit."""
MAX_ENGINE = 2**16
MAX_REASON = 500
"""Characters of why an engine is not used."""

_MAX_TEXT = 10_000
_MAX_FAULTS = 100_000
_Short = Annotated[str, Meta(max_length=200)]
_Text = Annotated[str, Meta(max_length=_MAX_TEXT)]
_Difference = Annotated[float, Meta(ge=0)]
_Rows = Annotated[int, Meta(ge=0, le=1_000_000)]
_Reason = Annotated[str, Meta(max_length=MAX_REASON)]


class Job(msgspec.Struct, frozen=True):
    """What a confined inspection is asked: ``declared`` as the uploader said it."""

    format: Format
    declared: dict[str, Any]


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="inspected"):
    """What an inspection says of a model.

    ``input_example``: a row to warm it with, where it does not answer any row of its types.
    """

    kind: Kind
    task: Task
    params: Annotated[dict[_Short, _Text | int | float | bool | None], Meta(max_length=1000)]
    signature: dict[str, Any]
    environment: Annotated[dict[_Short, _Short], Meta(max_length=20)]
    input_example: Record | None = None


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="refused"):
    """Why an artifact cannot be a version; ``faults``: where, and what is wrong there."""

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
    reason: _Reason | None = None


class Trees(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="trees"):
    max_abs_diff: _Difference
    max_rel_diff: _Difference
    checked_rows: _Rows


class Linear(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="linear"
):
    max_abs_diff: _Difference
    max_rel_diff: _Difference
    checked_rows: _Rows


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
    ],
    Linear: [["onnx", "columns", "linear"]],
}
"""What an engine may be made of."""


def refusal(error: RegistryError) -> bytes:
    """The message that refuses the artifact because of ``error``, cut to what is taken."""
    metadata = isinstance(error, MetadataRefused)
    faults = [(fault.at[:_MAX_TEXT], fault.message[:_MAX_TEXT]) for fault in error.faults]
    detail = error.detail[:_MAX_TEXT]
    message = b""
    # All that is wrong where that fits, else the first of it.
    for share in (_MAX_FAULTS, 1_000, 0):
        message = msgspec.json.encode(
            Refusal("MetadataRefused" if metadata else "ArtifactRefused", detail, faults[:share])
        )
        if len(message) <= MAX_FACTS:
            break
    return message


def check_facts(message: bytes) -> None:
    """Hold the facts of an inspection to what the service takes, before they are sent.

    Raises ArtifactRefused naming the limit that they exceed.
    """
    if len(message) > MAX_FACTS:
        raise ArtifactRefused(
            f"What the model says of itself takes {len(message)} bytes; at most {MAX_FACTS} are "
            "allowed."
        )
    try:
        read_facts(message)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ArtifactRefused(
            f"What the model says of itself exceeds a limit of the service: {error}."
        ) from error


def read_facts(message: bytes | bytearray) -> tuple[Facts, Signature]:
    """What an inspection found.

    Raises the refusal that it said instead, and ValueError where it is not of this form.
    """
    said = msgspec.json.decode(message, type=Facts | Refusal)
    if isinstance(said, Refusal):
        raise said.to_error()
    try:
        signature = Signature.from_json(said.signature)
    except MetadataRefused as error:
        raise ValueError("the signature is none") from error
    if signature.task != said.task:
        raise ValueError("the task is not the signature's")
    if said.input_example is not None:
        try:
            example_batch(signature, said.input_example)
        except InputRefused as error:
            raise ValueError("the input example is none") from error
    return said, signature


def read_compilation(message: bytes | bytearray) -> Compilation:
    """What came of the compilation. Raises ValueError where the message is not of this form."""
    said = msgspec.json.decode(message, type=Compilation)
    if said.compiled not in _FORMS[type(said.engine)]:
        raise ValueError("the engine is not the one that was compiled")
    return said
