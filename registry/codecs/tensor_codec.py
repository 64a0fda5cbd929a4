"""Reads requests and writes replies of the Open Inference Protocol v2 for one version."""

from contextlib import suppress

from registry.codecs.batch import Batch
from registry.codecs.byte_counts import count
from registry.codecs.large_bodies import SMALL_BODY
from registry.codecs.row_memory import RowMemory
from registry.codecs.tensor_replies import PROBABILITIES, TensorWriter
from registry.codecs.tensor_request import TensorRequest, parse_request
from registry.codecs.tensor_row import RowReader
from registry.codecs.tensor_rows import TensorReader
from registry.codecs.text_memory import WIDEST, json_width
from registry.errors import RegistryError
from registry.signature import Signature

_VALUE, _LIST, _OBJECT = 40, 96, 240
"""The most bytes that a number, a list and an object of JSON take in memory, with the reference to
each."""


class TensorCodec:
    """Parses requests and reads their rows; ``writer`` makes tensors of predictions.

    Safe to use from several threads.
    """

    def __init__(self, model: str, number: int, signature: Signature) -> None:
        self._row = RowReader(signature)
        self._reader = TensorReader(signature)
        self.writer = TensorWriter(model, number, signature)
        self._memory = RowMemory(signature)
        self._width = len(signature.inputs)
        self._has_texts = any(column.type in {"string", "date"} for column in signature.inputs)

    def parse(self, body: bytes, json_size: int | None) -> TensorRequest:
        """As ``parse_request``."""
        row = self._row.read(body, json_size) if len(body) <= SMALL_BODY else None
        return row or parse_request(body, json_size)

    def read(self, request: TensorRequest) -> Batch:
        """The rows of a request. Raises InputRefused."""
        return request.batch or self._reader.read(request.inputs)

    def cost(self, body: bytes, json_size: int | None) -> int:
        """The most bytes of memory, ``body`` included, that it takes to decode a valid ``body`` and
        to predict its rows; ``json_size`` as in ``parse_request``."""
        json = body if json_size is None or json_size > len(body) else body[:json_size]
        binary = len(body) - len(json)
        values = count(json, b",") + 1
        request = _parsed(json, body, json_size)
        if request is None:
            rows, probabilities = (values + binary) // self._width + 1, True
        else:
            claimed = max((tensor.shape[0] for tensor in request.inputs if tensor.shape), default=0)
            rows = min(claimed, values + binary)
            probabilities = any(output.name == PROBABILITIES for output in request.outputs)
        objects = values * _VALUE + count(json, b"[") * _LIST + count(json, b"{") * _OBJECT
        text = 1
        if self._has_texts:
            text = WIDEST if binary else json_width(json)
        return objects + self._memory.of(rows, len(body), text=text, probabilities=probabilities)


def _parsed(json: bytes, body: bytes, json_size: int | None) -> TensorRequest | None:
    """The request, if it takes little to parse it and it is valid."""
    if len(json) <= SMALL_BODY:
        with suppress(RegistryError):  # raised again where the request is answered
            return parse_request(body, json_size)
    return None
