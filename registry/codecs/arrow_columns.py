"""Converts the columns of Arrow tables to numpy arrays.

A floating-point NaN counts as null, as in tables made from pandas or numpy.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import MAX_FAULTS
from registry.errors import Fault
from registry.signature import Column

if TYPE_CHECKING:
    from registry.codecs.arrow_library import pa


def add_columns(
    columns: dict[str, NDArray[Any]],
    table: "pa.Table",
    inputs: Sequence[Column],
    first: int = 0,
) -> list[Fault]:
    """Add the ``inputs`` from ``table`` to ``columns``. Returns the faults found.

    ``first``: the index of the table's first row in the request.
    """
    faults: list[Fault] = []
    if table.num_rows == 0:
        return faults
    for column in inputs:
        cells = table.column(column.name)
        array = _text(cells) if column.type == "string" else _numbers(cells, column)
        if array is None:
            faults.append(Fault(column.name, f"expected {column.type}, not {cells.type}"))
            continue
        columns[column.name] = array
        faults += _cell_faults(array, column, first)
    return faults


def _numbers(cells: "pa.ChunkedArray", column: Column) -> NDArray[np.float64] | None:
    from registry.codecs.arrow_library import pa

    kind = cells.type
    if column.type == "boolean":
        fits = pa.types.is_boolean(kind)
    else:
        fits = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not fits and not pa.types.is_null(kind):
        return None
    if pa.types.is_boolean(kind):
        cells = cells.cast(pa.uint8())
    numbers = cells.cast(pa.float64(), safe=False)
    chunks = [_plain(chunk, np.nan) for chunk in numbers.chunks]
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


def _plain(chunk: "pa.Array", null: float) -> NDArray[Any]:
    """Numbers as a numpy array, with ``null`` for null.

    pyarrow's own conversion imports pandas, which takes 100 MB in a worker that does not need it.
    """
    kind = np.dtype(str(chunk.type).replace("double", "float64"))
    content = chunk.buffers()[1]
    if content is None or chunk.null_count == len(chunk):
        return np.full(len(chunk), null, kind)
    values: NDArray[Any] = np.frombuffer(
        content, kind, count=len(chunk), offset=chunk.offset * kind.itemsize
    )
    if not chunk.null_count:
        return values
    from registry.codecs.arrow_library import pa

    is_there = np.from_dlpack(chunk.is_valid().cast(pa.uint8()))
    return np.where(is_there, values, np.array(null, kind))


def _text(cells: "pa.ChunkedArray") -> NDArray[np.object_] | None:
    from registry.codecs.arrow_library import pa

    kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    if pa.types.is_null(kind):
        return np.full(len(cells), np.nan, dtype=object)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return None
    if not pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_encode()
    return np.concatenate(list(_decoded(cells)))


def _decoded(cells: "pa.ChunkedArray") -> Iterator[NDArray[np.object_]]:
    """Makes one Python string of each text of a dictionary, however often the column and later
    batches use it."""
    from registry.codecs.arrow_library import pa

    dictionary, values = None, np.array([], dtype=object)
    for chunk in cells.chunks:
        if dictionary is None or not chunk.dictionary.equals(dictionary):
            dictionary = chunk.dictionary
            known = [np.nan if text is None else text for text in dictionary.to_pylist()]
            values = np.array([*known, np.nan], dtype=object)
        indices = chunk.indices.cast(pa.int64())
        yield values[_plain(indices, -1)]  # -1, the last, is NaN


def _cell_faults(array: NDArray[Any], column: Column, first: int) -> list[Fault]:
    if column.type == "string":
        if column.nullable:
            return []
        # Python code between two cells: other threads may have the interpreter's lock.
        null = np.fromiter((not isinstance(text, str) for text in array), bool, len(array))
        wrong = np.zeros(len(array), dtype=bool)
    else:
        null = np.isnan(array)
        wrong = np.isinf(array)
        if column.type == "integer":
            wrong |= ~null & (np.floor(array) != array)
    bad = wrong if column.nullable else wrong | null
    return [
        Fault(
            f"rows[{first + row}].{column.name}",
            "null is not allowed here"
            if null[row]
            else f"expected {column.type}, not {array[row]}",
        )
        for row in np.flatnonzero(bad)[: MAX_FAULTS + 1]
    ]
