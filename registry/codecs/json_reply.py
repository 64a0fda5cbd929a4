"""Encodes predictions as JSON."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from numpy.typing import NDArray

from registry.codecs.predictions import Predictions
from registry.signature import Signature, label_text

_encode = msgspec.json.Encoder().encode
_AT_ONCE = 2048
"""Predictions that are encoded in one call."""


class JsonWriter:
    """Writes the replies of one version. Safe to use from several threads."""

    def __init__(self, model: str, number: int, signature: Signature) -> None:
        # The start of all replies of a version.
        start = _encode({"model": model, "version": number})[:-1]
        self._one = start + b',"prediction":'
        self._many = start + b',"predictions":'
        self._labels = [label_text(label) for label in signature.output.classes or ()]

    def write(self, predictions: Predictions, *, single: bool) -> bytes:
        """The JSON reply: ``prediction`` for a single row, ``predictions`` for a batch."""
        values, probabilities = predictions.values, predictions.probabilities
        if single:
            reply = self._one + _encode(values[0])
            if probabilities is not None:
                reply += b',"probabilities":' + _encode(self._named(probabilities)[0])
            if predictions.scores is not None:
                reply += b',"score":' + _encode(float(predictions.scores[0]))
            return reply + b"}"
        parts = [self._many, *json_list(values)]
        if probabilities is not None:
            parts += (b',"probabilities":', *json_list(probabilities, self._named))
        if predictions.scores is not None:
            parts += (b',"scores":', *json_list(predictions.scores.tolist()))
        return b"".join([*parts, b"}"])

    def _named(self, probabilities: NDArray[Any]) -> list[dict[str, float]]:
        return [dict(zip(self._labels, row, strict=True)) for row in probabilities.tolist()]


def json_list(values: Any, to_list: Callable[[Any], list[Any]] = list) -> Sequence[bytes]:
    """``values`` as the parts of a JSON array. Lets other threads run between the parts."""
    if len(values) <= _AT_ONCE:
        return (_encode(to_list(values)),)
    parts: list[bytes] = []
    for at in range(0, len(values), _AT_ONCE):
        parts += (b",", _encode(to_list(values[at : at + _AT_ONCE]))[1:-1])
    return [b"[", *parts[1:], b"]"]
