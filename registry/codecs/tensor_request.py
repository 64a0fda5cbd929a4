"""Reads requests of the Open Inference Protocol v2: a JSON object, which tensors in binary form may
follow.

    {"id": "7", "inputs": [{"name": "x", "shape": [2, 1], "datatype": "FP64", "data": [5.1, 6.7]},
                           {"name": "s", "shape": [2, 1], "datatype": "BYTES",
                            "parameters": {"binary_data_size": 18}}],
     "outputs": [{"name": "predict", "parameters": {"binary_data": true}}]}

Unknown members are ignored.
"""

import re
from collections.abc import Sequence
from math import prod
from typing import Annotated, Any, NamedTuple

import msgspec

from registry.codecs.batch import Batch
from registry.codecs.large_bodies import SMALL_BODY, one_large_body_at_a_time
from registry.codecs.tensor_pieces import NotInPieces, cut_numbers
from registry.codecs.tensor_texts import Data
from registry.codecs.tensor_types import NUMBERS, Tensor, refused_input
from registry.errors import BodyMalformed, Fault, InputRefused, shown

_Size = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_MOST_DIMENSIONS = 8
_NOT_A_NUMBER = re.compile(rb"[\[,:\s]-?(?:NaN|Infinity)\b")


class _InputParameters(msgspec.Struct):
    binary_data_size: _Size | None = None
    shared_memory_region: Any = None
    content_type: Any = None


class _Input(msgspec.Struct):
    name: str
    shape: Annotated[list[_Size], msgspec.Meta(max_length=_MOST_DIMENSIONS)]
    datatype: str
    data: Any = None
    parameters: _InputParameters | None = None


class _OutputParameters(msgspec.Struct):
    binary_data: bool | None = None
    classification: _Size | None = None
    shared_memory_region: Any = None


class _Output(msgspec.Struct):
    name: str
    parameters: _OutputParameters | None = None


class _Parameters(msgspec.Struct):
    binary_data_output: bool | None = None


class RequestHead(msgspec.Struct, kw_only=True):
    """The JSON of a request without its inputs."""

    id: str | None = None
    parameters: _Parameters | None = None
    outputs: list[_Output] | None = None


class _Request(RequestHead, kw_only=True):
    inputs: list[_Input]


class RequestedOutput(NamedTuple):
    """An output to return; ``classes``: as so many most probable classes, 0 for as it is."""

    name: str
    binary: bool
    classes: int = 0


class TensorRequest(msgspec.Struct):
    """``outputs``: empty for the usual one, which is ``binary`` or not. ``id``: None if the caller
    sent none. ``batch``: the rows, if they have been read from the ``inputs`` already."""

    id: str | None
    outputs: list[RequestedOutput]
    binary: bool
    inputs: Sequence[Tensor] = ()
    batch: Batch | None = None


class _Message(NamedTuple):
    request: _Request
    rest: Data


_decode = msgspec.json.Decoder(_Request).decode


def parse_request(body: bytes, json_size: int | None) -> TensorRequest:
    """The request in ``body``, whose first ``json_size`` bytes are JSON; None: all of it is.

    Clients reuse dictionaries of headers, and with them the sizes of earlier requests. So a body
    that does not begin with so much JSON is read as JSON alone.

    Raises BodyMalformed where it is not JSON, InputRefused where it is no such request.
    """
    message = _read(body, json_size)
    return request_of(message.request, _tensors(message))


def request_of(
    head: RequestHead, inputs: Sequence[Tensor] = (), batch: Batch | None = None
) -> TensorRequest:
    """The request with these inputs, or with their rows.

    Raises InputRefused for an output in shared memory.
    """
    binary = head.parameters is not None and head.parameters.binary_data_output is True
    outputs = [_output(output, binary) for output in head.outputs] if head.outputs else []
    return TensorRequest(head.id, outputs, binary, inputs, batch)


def _read(body: bytes, json_size: int | None) -> _Message:
    if json_size is None:
        return _Message(_parse(body), b"")
    if json_size <= len(body):
        try:
            return _Message(_parse(body[:json_size]), memoryview(body)[json_size:])
        except BodyMalformed:
            if json_size == len(body):
                raise
    request = _parse(body)
    if any(_binary_size(tensor) is not None for tensor in request.inputs):
        raise BodyMalformed(
            f"Inference-Header-Content-Length is {json_size}: so many bytes of it are no JSON."
        )
    return _Message(request, b"")


def _parse(body: bytes) -> _Request:
    try:
        if len(body) <= SMALL_BODY:
            return _decode_text(body)
        request = _decode_in_pieces(body)
        if request is not None:
            return request
        with one_large_body_at_a_time(body):
            return _decode_text(body)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `")
        at = place.rstrip("`").removeprefix("$").removeprefix(".") or "body"
        message = message[:1].lower() + message[1:].replace("`", "")
        raise InputRefused(
            f"The request is not accepted. {at}: {message}.", [Fault(at, message)]
        ) from error
    except RecursionError as error:
        raise BodyMalformed("The body is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        advice = ""
        if _NOT_A_NUMBER.search(body):
            advice = " JSON has no NaN and no Infinity: send null, or the tensor in binary form."
        raise BodyMalformed(f"The body is not JSON: {error}.{advice}") from error


def _decode_text(body: bytes) -> _Request:
    if not body.isascii():
        body.decode()  # msgspec does not validate texts that it skips
    return _decode(body)


def _decode_in_pieces(body: bytes) -> _Request | None:
    """None: the request is not valid, or has another form."""
    try:
        rest, arrays = cut_numbers(body)
        request = _decode_text(rest)
    except (NotInPieces, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    for tensor in request.inputs:
        array = arrays.get(tensor.data) if isinstance(tensor.data, str) else None
        if array is not None:
            shape = [array.size] if array.ndim == 1 else list(array.shape)
            expected = [prod(tensor.shape)] if array.ndim == 1 else tensor.shape
            if tensor.datatype not in NUMBERS or shape != expected:
                return None
            tensor.data = array.ravel()
    return request


def _tensors(message: _Message) -> list[Tensor]:
    tensors, rest = [], message.rest
    for described in message.request.inputs:
        name, size = described.name, _binary_size(described)
        parameters = described.parameters
        tensor = Tensor(
            name,
            described.datatype,
            described.shape,
            content_type=None if parameters is None else parameters.content_type,
        )
        if parameters is not None and parameters.shared_memory_region is not None:
            raise refused_input(name, "shared memory is not offered")
        if (size is None) == (described.data is None):
            raise refused_input(name, "expected either 'data' or the parameter 'binary_data_size'")
        if size is None:
            tensor.data = described.data
        else:
            if size > len(rest):
                raise refused_input(
                    name, f"binary_data_size is {size}, but {len(rest)} bytes are left"
                )
            tensor.raw, rest = rest[:size], rest[size:]
        tensors.append(tensor)
    if len(rest):
        raise InputRefused(
            f"The body has {len(rest)} bytes more than its JSON and its binary tensors."
        )
    return tensors


def _binary_size(tensor: _Input) -> int | None:
    return None if tensor.parameters is None else tensor.parameters.binary_data_size


def _output(output: _Output, binary: bool) -> RequestedOutput:
    parameters = output.parameters
    if parameters is None:
        return RequestedOutput(output.name, binary)
    if parameters.shared_memory_region is not None:
        at = f"outputs[{shown(output.name)}]"
        raise InputRefused(f"{at}: shared memory is not offered.", [Fault(at, "not offered")])
    own = parameters.binary_data
    return RequestedOutput(
        output.name, binary if own is None else own, parameters.classification or 0
    )
