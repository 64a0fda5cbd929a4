"""Encodes predictions as Arrow streams."""

import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs.predictions import Predictions
from registry.signature import Signature, label_text

_AT_ONCE = 2048
"""Predictions that are converted in one call. Other threads run in between."""


def encode_arrow(predictions: Predictions, signature: Signature) -> bytes:
    """An Arrow stream with the output's column and, if required, ``probability_<class>`` for each
    class, or ``score``."""
    values, numbers = predictions.values, _columns_of_numbers(predictions, signature)
    names = (signature.output.name, *(name for name, _ in numbers))
    if len(values) <= _AT_ONCE and isinstance(values[0], float):
        content = [struct.pack(f"<{len(values)}d", *values)]
        content += [column.astype("<f8", copy=False).tobytes() for _, column in numbers]
        around = _around(names, len(values))
        return b"".join(chain.from_iterable(zip_longest(around, content, fillvalue=b"")))
    return _stream(names, [_in_parts(values), *(column for _, column in numbers)])


def _columns_of_numbers(
    predictions: Predictions, signature: Signature
) -> list[tuple[str, NDArray[np.float64]]]:
    found = []
    if predictions.probabilities is not None:
        labels = map(label_text, signature.output.classes or ())
        shares = zip(labels, predictions.probabilities.T, strict=True)
        found = [(f"probability_{label}", column) for label, column in shares]
    if predictions.scores is not None:
        found.append(("score", predictions.scores))
    return found


@lru_cache(maxsize=256)
def _around(names: tuple[str, ...], rows: int) -> tuple[bytes, ...]:
    """What is before, between and behind the numbers of a stream of columns of doubles: it depends
    on nothing else, and Arrow takes longer to write it than the numbers."""
    around = []
    columns = np.sqrt(np.arange(2.0, 2.0 + len(names) * rows)).reshape(len(names), rows)
    rest = _stream(names, list(columns))
    for column in columns:  # whose bytes occur nowhere else
        before, _, rest = rest.partition(column.tobytes())
        around.append(before)
    return (*around, rest)


def _stream(names: Sequence[str], columns: Sequence[Any]) -> bytes:
    import pyarrow as pa

    table = pa.table([pa.array(column) for column in columns], names)
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
