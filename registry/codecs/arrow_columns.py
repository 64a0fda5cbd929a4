"""Converts the columns of Arrow tables to numpy arrays.

A floating-point NaN counts as null, as in tables made from pandas or numpy.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs import compiled_rows
from registry.codecs.array_checks import array_faults
from registry.codecs.batch import Batch, refuse
from registry.dates import FIRST, LAST, from_ticks, parse_date
from registry.errors import Fault, InputRefused
from registry.signature import Column, Signature

if TYPE_CHECKING:
    from registry.codecs.arrow_library import pa


_DAY = 86_400
_COPIED_CELLS = 2**16
"""The most numbers of a table that are copied to be converted at once; others are not copied."""
_FEW_TEXTS = 4096
"""The most texts of a column that are read by the kernel, in one call. In longer columns more of
them are equal, and Arrow finds those without the lock of the interpreter."""
_NO_DAY, _NO_TICK = -(2**31), -(2**63)
"""Take the place of null; as dates they are far before the year 1."""
_Dictionaries = dict[tuple[object, ...], tuple[Any, NDArray[Any]]]
"""By ``dictionary_key`` the dictionary, without which its memory could be used for another, and its
texts as Python strings, which all its columns and batches share; the last is NaN."""
_dtypes: dict[int, np.dtype[Any]] = {}
"""By the id of an Arrow type of numbers, whose name takes long to make."""
LatestTexts = dict[str, tuple[Any, NDArray[Any]]]
"""By the name of a column its last dictionary and texts, as in ``_Dictionaries``: a Parquet reader
makes a new array of the same dictionary for each batch."""


def add_columns(
    columns: dict[str, NDArray[Any]],
    table: "pa.Table",
    inputs: Sequence[Column],
    first: int = 0,
    latest: LatestTexts | None = None,
) -> list[Fault]:
    """Add the ``inputs`` from ``table`` to ``columns``. Returns the faults found.

    The types of the columns must fit. ``first``: the index of the table's first row in the request.
    ``latest``: of the rows before; afterwards of these.
    """

    def place(row: int, column: Column) -> str:
        return f"rows[{first + row}].{column.name}"

    decoded: _Dictionaries = {}
    latest = {} if latest is None else latest
    faults: list[Fault] = []
    if table.num_rows == 0:
        return faults
    array: NDArray[Any]
    shown: NDArray[Any]
    doubles = _few_doubles(table, inputs)
    for column in inputs:
        if column.name in doubles:
            columns[column.name] = doubles[column.name]
            continue
        cells = table.column(column.name)
        if column.type == "date" and _is_moment(cells.type):
            array = shown = np.concatenate([_seconds(chunk) for chunk in cells.chunks])
        elif column.type == "date":
            shown = _text(cells, column.name, decoded, latest)
            array = _parsed(shown)
        elif column.type == "string":
            array = shown = _text(cells, column.name, decoded, latest)
        else:
            array = shown = _numbers(cells)
        columns[column.name] = array
        if column.type != "string" or not _are_texts_only(cells):
            faults += array_faults(array, column, place, shown)
    return faults


def _few_doubles(table: "pa.Table", inputs: Sequence[Column]) -> dict[str, NDArray[np.float64]]:
    """All columns of numbers, made in one call, which takes a tenth of the time; empty where there
    is one of another type than double, a cell is not accepted, or there are too many to copy."""
    from registry.codecs.arrow_library import pa

    numbers = [column for column in inputs if column.type == "number"]
    batches = table.to_batches() if table.num_rows * len(numbers) <= _COPIED_CELLS else []
    if len(batches) != 1 or not numbers:
        return {}
    found = batches[0].select([column.name for column in numbers])
    if not all(pa.types.is_float64(type_) for type_ in found.schema.types):
        return {}
    matrix = found.to_tensor(null_to_nan=True, row_major=False).to_numpy()
    if not np.isfinite(matrix).all():
        missing = np.isnan(matrix).any(axis=0).tolist()
        if np.isinf(matrix).any() or any(
            is_missing and not column.nullable
            for is_missing, column in zip(missing, numbers, strict=True)
        ):
            return {}
    return {column.name: matrix[:, place] for place, column in enumerate(numbers)}


def to_batch(
    table: "pa.Table", signature: Signature, first: int = 0, latest: LatestTexts | None = None
) -> Batch:
    """Convert the columns of ``signature``. ``first`` and ``latest``: as in ``add_columns``.

    Raises InputRefused.
    """
    columns: dict[str, NDArray[Any]] = {}
    faults = add_columns(columns, table, signature.inputs, first, latest)
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

    is_encoded = column.type in {"string", "date"} and pa.types.is_dictionary(kind)
    kind = kind.value_type if is_encoded else kind
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if column.type == "string":
        accepted = is_text
    elif column.type == "date":
        accepted = is_text or (_is_moment(kind) and not is_encoded)
    elif column.type == "boolean":
        accepted = pa.types.is_boolean(kind)
    else:
        accepted = (
            pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
        )
    return bool(accepted or pa.types.is_null(kind))


def _is_moment(kind: "pa.DataType") -> bool:
    from registry.codecs.arrow_library import pa

    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _numbers(cells: "pa.ChunkedArray") -> NDArray[np.float64]:
    from registry.codecs.arrow_library import pa

    if pa.types.is_boolean(cells.type):
        cells = cells.cast(pa.uint8())
    if not pa.types.is_float64(cells.type):
        cells = cells.cast(pa.float64(), safe=False)
    chunks = [_plain(chunk, np.nan) for chunk in cells.chunks]
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


def _seconds(chunk: "pa.Array") -> NDArray[np.float64]:
    """The seconds of timestamps, which Arrow stores in UTC, or of days; infinite outside the years
    1 to 9999."""
    from registry.codecs.arrow_library import pa

    if pa.types.is_date32(chunk.type):
        days = _plain(chunk.view(pa.int32()), _NO_DAY).astype(np.int64)
        seconds, missing = from_ticks(days * _DAY, "s"), days == _NO_DAY
    else:
        ticks = _plain(chunk.view(pa.int64()), _NO_TICK)
        unit = chunk.type.unit if pa.types.is_timestamp(chunk.type) else "ms"
        seconds, missing = from_ticks(ticks, unit), ticks == _NO_TICK
    seconds[(seconds < FIRST) | (seconds > LAST)] = np.inf
    seconds[missing] = np.nan
    return seconds


def _parsed(texts: NDArray[np.object_]) -> NDArray[np.float64]:
    """The seconds of dates in ``texts``, NaN for null, infinite for what is not a date."""
    known: dict[Any, float] = {}
    for text in set(texts):
        try:
            known[text] = parse_date(text) if isinstance(text, str) else np.nan
        except ValueError:
            known[text] = np.inf
    return np.fromiter(map(known.__getitem__, texts), np.float64, len(texts))


def _plain(chunk: "pa.Array", null: float) -> NDArray[Any]:
    """Numbers as a numpy array, with ``null`` for null.

    pyarrow's own conversion imports pandas, which takes 100 MB in a worker that does not need it.
    """
    type_, nulls, rows = chunk.type, chunk.null_count, len(chunk)
    kind = _dtypes.get(type_.id) or _dtypes.setdefault(type_.id, _dtype(type_))
    content = chunk.buffers()[1]
    if content is None or nulls == rows:
        return np.full(rows, null, kind)
    values: NDArray[Any] = np.frombuffer(
        content, kind, count=rows, offset=chunk.offset * kind.itemsize
    )
    if not nulls:
        return values
    from registry.codecs.arrow_library import pa

    is_there = np.from_dlpack(chunk.is_valid().cast(pa.uint8()))
    return np.where(is_there, values, np.array(null, kind))


def _dtype(type_: "pa.DataType") -> np.dtype[Any]:
    """numpy's type of an Arrow type of numbers."""
    return np.dtype(str(type_).replace("double", "float64"))


def _text(
    cells: "pa.ChunkedArray", name: str, decoded: _Dictionaries, latest: LatestTexts
) -> NDArray[np.object_]:
    from registry.codecs.arrow_library import pa

    if not pa.types.is_dictionary(cells.type):
        if pa.types.is_null(cells.type):
            return np.full(len(cells), np.nan, dtype=object)
        if len(cells) <= _FEW_TEXTS and cells.num_chunks == 1 and _are_texts_only(cells):
            few = _few_texts(cells.chunk(0))
            if few is not None:
                return few
        cells, decoded = cells.dictionary_encode(), {}
    elif pa.types.is_null(cells.type.value_type):
        return np.full(len(cells), np.nan, dtype=object)
    parts = []
    for chunk in cells.chunks:
        dictionary = chunk.dictionary
        key = dictionary_key(dictionary)
        if key not in decoded:
            before = latest.get(name)
            if before is not None and dictionary.equals(before[0]):
                decoded[key] = (dictionary, before[1])
            else:
                decoded[key] = (dictionary, _texts(dictionary))
        latest[name] = decoded[key]
        indices = chunk.indices
        if not pa.types.is_signed_integer(indices.type):
            indices = indices.cast(pa.int64())
        parts.append(decoded[key][1][_plain(indices, -1)])  # -1, the last, is NaN
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _are_texts_only(cells: "pa.ChunkedArray") -> bool:
    """Whether ``cells`` are texts without a dictionary, and none is null."""
    from registry.codecs.arrow_library import pa

    return not pa.types.is_dictionary(cells.type) and cells.null_count == 0


def _few_texts(chunk: "pa.Array") -> NDArray[np.object_] | None:
    """The texts of ``chunk``, of which none is null, in a third of the time that Arrow takes; None
    where the kernel cannot read them."""
    from registry.codecs.arrow_library import pa

    if not compiled_rows.AVAILABLE:
        return None
    kind = np.dtype(np.int64 if pa.types.is_large_string(chunk.type) else np.int32)
    _, offsets, characters = chunk.buffers()
    ends = np.frombuffer(offsets, kind, len(chunk) + 1, chunk.offset * kind.itemsize)
    places = ends.astype(np.int64) - ends[0]
    sizes = places[1:] - places[:-1]  # np.diff takes three times as long
    if characters is None or sizes.max() > compiled_rows.LONGEST_TEXT:
        return None
    used = characters.slice(int(ends[0]), int(places[-1])).to_pybytes()
    return compiled_rows.texts_at(used, places[:-1], sizes)


def _texts(dictionary: "pa.Array") -> NDArray[np.object_]:
    known = [np.nan if text is None else text for text in dictionary.to_pylist()]
    return np.array([*known, np.nan], dtype=object)


def dictionary_key(dictionary: "pa.Array") -> tuple[object, ...]:
    """Equal for two arrays of texts that are the same part of the same memory."""
    places = [None if buffer is None else buffer.address for buffer in dictionary.buffers()]
    return (dictionary.type.id, len(dictionary), dictionary.offset, *places)
