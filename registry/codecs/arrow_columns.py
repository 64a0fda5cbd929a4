"""Converts the columns of Arrow tables to numpy arrays.

A floating-point NaN counts as null, as in tables made from pandas or numpy.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import MAX_FAULTS, Batch, refuse
from registry.errors import Fault, InputRefused
from registry.signature import Column, Signature

if TYPE_CHECKING:
    from registry.codecs.arrow_library import pa


_Dictionaries = dict[tuple[object, ...], tuple[Any, NDArray[Any]]]
"""By ``dictionary_key`` the dictionary, without which its memory could be used for another, and its
texts as Python strings, which all its columns and batches share; the last is NaN."""


def add_columns(
    columns: dict[str, NDArray[Any]],
    table: "pa.Table",
    inputs: Sequence[Column],
    first: int = 0,
) -> list[Fault]:
    """Add the ``inputs`` from ``table`` to ``columns``. Returns the faults found.

    The types of the columns must fit. ``first``: the index of the table's first row in the request.
    """
    decoded: _Dictionaries = {}
    faults: list[Fault] = []
    if table.num_rows == 0:
        return faults
    for column in inputs:
        cells = table.column(column.name)
        array = _text(cells, decoded) if column.type == "string" else _numbers(cells)
        columns[column.name] = array
        faults += _cell_faults(array, column, first)
    return faults


def to_batch(table: "pa.Table", signature: Signature, first: int = 0) -> Batch:
    """Convert the columns of ``signature``. ``first``: as in ``add_columns``.

    Raises InputRefused.
    """
    columns: dict[str, NDArray[Any]] = {}
    faults = add_columns(columns, table, signature.inputs, first)
    return checked_batch(columns, table.num_rows, faults)


def checked_batch(columns: dict[str, NDArray[Any]], rows: int, faults: list[Fault]) -> Batch:
    """The batch of converted columns. Raises InputRefused for ``faults`` or without rows."""
    if rows == 0:
        raise InputRefused("The batch is empty: expected at least one row.")
    if faults:
        raise refuse(faults)
    return Batch(columns, rows)


def fits(column: Column, kind: "pa.DataType") -> bool:
    """Whether cells of the Arrow type ``kind`` can be values of ``column``."""
    from registry.codecs.arrow_library import pa

    is_encoded = column.type == "string" and pa.types.is_dictionary(kind)
    kind = kind.value_type if is_encoded else kind
    if column.type == "string":
        accepted = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    elif column.type == "boolean":
        accepted = pa.types.is_boolean(kind)
    else:
        accepted = (
            pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
        )
    return bool(accepted or pa.types.is_null(kind))


def _numbers(cells: "pa.ChunkedArray") -> NDArray[np.float64]:
    from registry.codecs.arrow_library import pa

    if pa.types.is_boolean(cells.type):
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


def _text(cells: "pa.ChunkedArray", decoded: _Dictionaries) -> NDArray[np.object_]:
    from registry.codecs.arrow_library import pa

    if not pa.types.is_dictionary(cells.type):
        if pa.types.is_null(cells.type):
            return np.full(len(cells), np.nan, dtype=object)
        cells, decoded = cells.dictionary_encode(), {}
    elif pa.types.is_null(cells.type.value_type):
        return np.full(len(cells), np.nan, dtype=object)
    latest: tuple[pa.Array | None, NDArray[Any]] = (None, np.array([], dtype=object))
    parts = []
    for chunk in cells.chunks:
        dictionary = chunk.dictionary
        key = dictionary_key(dictionary)
        if key not in decoded:
            is_repeated = latest[0] is not None and dictionary.equals(latest[0])
            decoded[key] = (dictionary, latest[1] if is_repeated else _texts(dictionary))
        latest = decoded[key]
        indices = chunk.indices.cast(pa.int64())
        parts.append(latest[1][_plain(indices, -1)])  # -1, the last, is NaN
    return np.concatenate(parts)


def _texts(dictionary: "pa.Array") -> NDArray[np.object_]:
    known = [np.nan if text is None else text for text in dictionary.to_pylist()]
    return np.array([*known, np.nan], dtype=object)


def dictionary_key(dictionary: "pa.Array") -> tuple[object, ...]:
    """Equal for two arrays of texts that are the same part of the same memory."""
    places = [buffer and buffer.address for buffer in dictionary.buffers()]
    return (dictionary.type.id, len(dictionary), dictionary.offset, *places)


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
    if not bad.any():
        return []
    return [
        Fault(
            f"rows[{first + row}].{column.name}",
            "null is not allowed here"
            if null[row]
            else f"expected {column.type}, not {array[row]}",
        )
        for row in np.flatnonzero(bad)[: MAX_FAULTS + 1]
    ]
