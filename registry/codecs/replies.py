"""Predictions to bytes."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from numpy.typing import NDArray

from registry.codecs.predictions import Predictions
from registry.signature import Signature, label_text

_encode = msgspec.json.Encoder().encode
_AT_ONCE = 2048
"""Predictions that are written in one go."""


class JsonWriter:
    """Writes the replies of one version. Safe to use from several threads."""

    def __init__(self, model: str, number: int, signature: Signature) -> None:
        # All replies of a version begin alike.
        start = _encode({"model": model, "version": number})[:-1]
        self._one = start + b',"prediction":'
        self._many = start + b',"predictions":'
        self._labels = [label_text(label) for label in signature.output.classes or ()]

    def write(self, answers: Predictions, *, single: bool) -> bytes:
        """The JSON reply: ``prediction`` for a single row, ``predictions`` for a batch."""
        values, shares = answers.values, answers.probabilities
        if single:
            reply = self._one + _encode(values[0])
            if shares is not None:
                reply += b',"probabilities":' + _encode(self._named(shares)[0])
            return reply + b"}"
        parts = [self._many, *_list(values)]
        if shares is not None:
            parts += (b',"probabilities":', *_list(shares, self._named))
        return b"".join([*parts, b"}"])

    def _named(self, shares: NDArray[Any]) -> list[dict[str, float]]:
        return [dict(zip(self._labels, row, strict=True)) for row in shares.tolist()]


def _list(values: Any, to_list: Callable[[Any], list[Any]] = list) -> Iterator[bytes]:
    """``values`` as the parts of a JSON array, between which other threads may have the
    interpreter's lock."""
    before = b"["
    for at in range(0, len(values), _AT_ONCE):
        yield before
        yield _encode(to_list(values[at : at + _AT_ONCE]))[1:-1]
        before = b","
    yield b"]"


def encode_arrow(answers: Predictions, signature: Signature) -> bytes:
    """An Arrow stream with the output's column and, if asked, ``probability_<class>`` for each."""
    import pyarrow as pa

    columns: dict[str, Any] = {signature.output.name: _in_parts(answers.values)}
    if answers.probabilities is not None:
        for label, share in zip(
            signature.output.classes or (), answers.probabilities.T, strict=True
        ):
            columns[f"probability_{label_text(label)}"] = pa.array(share)
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def _in_parts(values: list[Any]) -> Any:
    """``values``, which are all of one type, as an Arrow array."""
    import pyarrow as pa

    first = pa.array(values[:_AT_ONCE])
    rest = range(_AT_ONCE, len(values), _AT_ONCE)
    return pa.concat_arrays(
        [first, *(pa.array(values[at : at + _AT_ONCE], first.type) for at in rest)]
    )
