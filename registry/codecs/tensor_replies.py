"""Writes predictions as the tensors of the Open Inference Protocol v2."""

import struct
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.codecs.json_reply import json_list
from registry.codecs.predictions import Predictions
from registry.codecs.tensor_request import RequestedOutput
from registry.codecs.tensor_texts import with_length
from registry.codecs.tensor_types import BOOL, BYTES, output_datatype
from registry.errors import Fault, InputRefused, NoProbabilities, NoScores, shown
from registry.signature import Signature, label_text

PREDICT, PROBABILITIES, SCORES = "predict", "predict_proba", "decision_function"
"""The outputs, named as the methods of scikit-learn that return them."""

_Numbers = NDArray[np.float64]
_encode = msgspec.json.Encoder().encode
_ROWS_AT_ONCE = 2048
_LAYOUTS = {"FP64": "<f8", "INT64": "<i8", BOOL: "?"}
_PACK = {
    "FP64": struct.Struct("<d").pack,
    "INT64": struct.Struct("<q").pack,
    BOOL: struct.Struct("<?").pack,
}
"""Writes a single element; NumPy takes several times as long."""


class Output(NamedTuple):
    """An output to write: the ``name`` in the request, and ``source``, that of the model."""

    name: str
    source: str
    binary: bool
    classes: int = 0


class TensorReply(NamedTuple):
    """The JSON of a reply, and the outputs in binary form that follow it."""

    json: bytes
    binary: list[bytes]


def predictions_alone(*, binary: bool) -> list[Output]:
    """The outputs to write where none is requested."""
    return [Output(PREDICT, PREDICT, binary)]


class TensorWriter:
    """Writes the replies of one version. Safe to use from several threads."""

    def __init__(self, model: str, number: int, signature: Signature) -> None:
        start = {"model_name": model, "model_version": str(number)}
        self._key = (model, number)
        self._start = _encode(start)[:-1]
        self._own_name = signature.output.name
        self._has_lists = signature.output.size is not None
        self._datatype = output_datatype(signature)
        self._row = b',"outputs":[%b,' % _head(PREDICT, self._datatype, (1, 1))
        self._row_end = b',"parameters":{"content_type":"%b"}}]}' % _content_type(self._datatype)
        self._labels = [label_text(label) for label in signature.output.classes or ()]
        self._elements = _Elements({text: with_length(text.encode()) for text in self._labels})

    def outputs(
        self, requested: Sequence[RequestedOutput], offered: Collection[str]
    ) -> list[Output]:
        """The outputs to write.

        Raises InputRefused for an unknown output, NoProbabilities or NoScores for one that this
        version does not have.
        """
        seen = set[str]()
        for name, *_ in requested:
            if name in seen:
                raise _refused_output(name, "the output appears twice")
            seen.add(name)
        return [self._output(output, offered) for output in requested]

    def _output(self, requested: RequestedOutput, offered: Collection[str]) -> Output:
        name, source = requested.name, requested.name
        if source not in offered:
            if source == self._own_name:
                source = PREDICT
            elif source == PROBABILITIES:
                raise NoProbabilities(*self._key)
            elif source == SCORES:
                raise NoScores(*self._key)
            else:
                known = ", ".join(offered)
                raise _refused_output(name, f"the outputs of the model are {known}")
        if requested.classes and source != PROBABILITIES:
            raise _refused_output(name, f"only {PROBABILITIES} can be returned as classes")
        return Output(name, source, requested.binary, requested.classes)

    def write(
        self, request_id: str | None, outputs: Sequence[Output], predictions: Predictions
    ) -> TensorReply:
        """The reply with ``outputs``, all of which ``predictions`` has."""
        start = self._start
        if request_id is not None:
            start += b',"id":' + _encode(request_id)
        values = predictions.values
        if len(values) == len(outputs) == 1 and outputs[0].name == PREDICT and not self._has_lists:
            return self._write_one(start, values, binary=outputs[0].binary)
        parts, binary = [start, b',"outputs":['], []
        for output in outputs:
            datatype, shape, elements = self._values(output, predictions)
            parts += (b"" if len(parts) == 2 else b",", _head(output.name, datatype, shape))
            if output.binary:
                content = self._to_bytes(datatype, elements)
                binary.append(content)
                parts.append(b',"parameters":{"binary_data_size":%d}}' % len(content))
            else:
                parts += (b',"data":', *json_list(elements, _to_list))
                parts.append(b',"parameters":{"content_type":"%b"}}' % _content_type(datatype))
        parts.append(b"]}")
        return TensorReply(b"".join(parts), binary)

    def _write_one(self, start: bytes, values: list[Any], *, binary: bool) -> TensorReply:
        """The usual reply, a prediction alone, which takes a third of the time."""
        if not binary:
            parts = (start, self._row, b'"data":', _encode(values), self._row_end)
            return TensorReply(b"".join(parts), [])
        if self._datatype == BYTES:
            content = self._elements[values[0]]
        else:
            content = _PACK[self._datatype](values[0])
        end = b'"parameters":{"binary_data_size":%d}}]}' % len(content)
        return TensorReply(b"".join((start, self._row, end)), [content])

    def _values(
        self, output: Output, predictions: Predictions
    ) -> tuple[str, tuple[int, int], list[Any] | _Numbers]:
        """The data type, shape and elements of an output."""
        rows = len(predictions.values)
        if output.source == PREDICT:
            values = predictions.values
            flat = list(chain.from_iterable(values)) if self._has_lists else values
            return self._datatype, (rows, len(flat) // rows), flat
        if output.source == SCORES:
            return "FP64", (rows, 1), cast("_Numbers", predictions.scores)
        probabilities = cast("_Numbers", predictions.probabilities)
        if output.classes:
            width = min(output.classes, len(self._labels))
            return BYTES, (rows, width), list(self._ranked(probabilities, width))
        return "FP64", (rows, len(self._labels)), probabilities.ravel()

    def _ranked(self, probabilities: _Numbers, width: int) -> Iterator[str]:
        """The ``width`` most probable classes of each row: ``<probability>:<index>:<label>``.

        https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md
        """
        for start in range(0, len(probabilities), _ROWS_AT_ONCE):
            part = probabilities[start : start + _ROWS_AT_ONCE]
            best = np.argsort(-part, axis=1, kind="stable")[:, :width]
            for row, indices in zip(part.tolist(), best.tolist(), strict=True):
                for index in indices:
                    yield f"{row[index]}:{index}:{self._labels[index]}"

    def _to_bytes(self, datatype: str, values: list[Any] | _Numbers) -> bytes:
        if datatype == BYTES:
            return b"".join(map(self._elements.__getitem__, values))
        return np.asarray(values, _LAYOUTS[datatype]).tobytes()


class _Elements(dict[str, bytes]):
    """The labels as elements of a tensor; other texts are encoded each time."""

    def __missing__(self, text: str) -> bytes:
        return with_length(text.encode())


def _head(name: str, datatype: str, shape: tuple[int, int]) -> bytes:
    """The start of an output."""
    head = b'{"name":%b,"datatype":"%b","shape":[%d,%d]'
    return head % (_encode(name), datatype.encode(), *shape)


def _content_type(datatype: str) -> bytes:
    return b"str" if datatype == BYTES else b"np"


def _to_list(values: list[Any] | _Numbers) -> list[Any]:
    return values if isinstance(values, list) else values.tolist()


def _refused_output(name: str, message: str) -> InputRefused:
    at = f"outputs[{shown(name)}]"
    return InputRefused(f"{at}: {message}.", [Fault(at, message)])
