"""Reads plain Arrow streams, which most clients send, without Arrow.

Arrow takes 0.2 ms for 1,000 rows, more than JSON, most of it to make its objects. A plain stream is
one batch of numbers, booleans and texts without dictionaries or compression, in a layout that was
read before. Its columns are arrays over the bytes of the body.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from registry.codecs import compiled_rows
from registry.codecs.array_checks import array_faults
from registry.codecs.arrow_layout import Buffer, Layout
from registry.codecs.batch import Batch
from registry.signature import Column, Signature

if TYPE_CHECKING:
    from registry.codecs.arrow_library import pa

MOST_CELLS = 2**16
"""Arrow reads larger streams, without the lock of the interpreter."""

_NUMBERS: dict[str, np.dtype[Any]] = {
    "double": np.dtype("<f8"),
    "float": np.dtype("<f4"),
    **{f"int{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
}
"""By the names of Arrow's types."""
_OFFSETS: dict[str, np.dtype[Any]] = {"string": np.dtype("<i4"), "large_string": np.dtype("<i8")}
"""The types of texts, and the types of the offsets of each text in the bytes of all."""
_BOOLEAN = "bool"
_PARTS = {**dict.fromkeys((*_NUMBERS, _BOOLEAN), 2), **dict.fromkeys(_OFFSETS, 3)}
"""How many buffers a column has: validity and values, or validity, offsets and bytes."""


class _Place(NamedTuple):
    """The column of a stream in which a model finds one of its own. ``node``: its index;
    ``buffer``: that of its first buffer."""

    column: Column
    kind: str
    node: int
    buffer: int


class PlainForm(NamedTuple):
    """Streams of one layout, as the rows of one signature."""

    layout: Layout
    places: tuple[_Place, ...]

    def rows(self, stream: bytes) -> int:
        """The rows of ``stream``; 0 where it is not of this form."""
        numbers = self.layout.read(stream)
        return 0 if numbers is None else numbers.rows

    def batch(self, stream: bytes, max_cells: int) -> Batch | None:
        """The rows of ``stream``.

        None where it is not of this form, is not valid, or has more than ``max_cells`` or
        ``MOST_CELLS`` cells.
        """
        numbers = self.layout.read(stream)
        if numbers is None or numbers.rows * len(self.places) > min(max_cells, MOST_CELLS):
            return None
        columns = {}
        for place in self.places:
            parts = self.layout.buffers(numbers, place.buffer, _PARTS[place.kind])
            nulls = numbers.nulls[place.node]
            cells = _cells(stream, place, parts, numbers.rows, nulls)
            if cells is None:
                return None
            columns[place.column.name] = cells
        return Batch(columns, numbers.rows)


def plain_form(stream: bytes, schema: "pa.Schema", signature: Signature) -> PlainForm | None:
    """The form of a stream with this ``schema`` that Arrow has read as rows of ``signature``; None
    where it is not plain."""
    layout = Layout.of(stream)
    if layout is None:
        return None
    found, buffers = {}, 0
    columns = {column.name: column for column in signature.inputs}
    for node, field in enumerate(schema):
        kind = str(field.type)
        if kind not in _PARTS:
            return None
        column = columns.get(field.name)
        if column is not None:
            if column.type == "date" or (column.type == "string") != (kind in _OFFSETS):
                return None
            found[field.name] = _Place(column, kind, node, buffers)
        buffers += _PARTS[kind]
    if (len(schema), buffers) != (layout.numbers.columns, layout.numbers.parts):
        return None
    return PlainForm(layout, tuple(found[name] for name in signature.names))


def _cells(
    stream: bytes, place: _Place, parts: list[Buffer], rows: int, nulls: int
) -> NDArray[Any] | None:
    """None where the column is not valid, or a cell does not fit the signature."""
    validity, *values = parts
    is_there = None
    if nulls:
        is_there = _bits(stream, validity, rows)
        if is_there is None or rows - np.count_nonzero(is_there) != nulls:
            return None
    if place.column.type == "string":
        is_accepted = place.column.nullable or not nulls
        return _texts(stream, place.kind, values, rows, is_there) if is_accepted else None
    cells = _numbers(stream, place.kind, values[0], rows)
    if cells is None:
        return None
    if is_there is not None:
        cells = np.where(is_there, cells, np.nan)
    return None if array_faults(cells, place.column, lambda *_: "", cells) else cells


def _bits(stream: bytes, buffer: Buffer, rows: int) -> NDArray[np.bool_] | None:
    size = (rows + 7) // 8
    if buffer.size < size:
        return None
    packed = np.frombuffer(stream, np.uint8, size, buffer.place)
    return np.unpackbits(packed, count=rows, bitorder="little").view(np.bool_)


def _numbers(stream: bytes, kind: str, values: Buffer, rows: int) -> NDArray[np.float64] | None:
    if kind == _BOOLEAN:
        bits = _bits(stream, values, rows)
        return None if bits is None else bits.astype(np.float64)
    type_ = _NUMBERS[kind]
    if values.size < rows * type_.itemsize:
        return None
    numbers: NDArray[Any] = np.frombuffer(stream, type_, rows, values.place)
    if type_.kind != "f":
        return numbers.astype(np.float64)
    with np.errstate(invalid="ignore"):  # a NaN that signals
        return numbers.astype(np.float64, copy=False)


def _texts(
    stream: bytes, kind: str, values: list[Buffer], rows: int, is_there: NDArray[np.bool_] | None
) -> NDArray[np.object_] | None:
    type_, (offsets, characters) = _OFFSETS[kind], values
    if not compiled_rows.AVAILABLE or offsets.size < (rows + 1) * type_.itemsize:
        return None
    ends: NDArray[Any] = np.frombuffer(stream, type_, rows + 1, offsets.place)
    ends = ends.astype(np.int64)
    sizes = ends[1:] - ends[:-1]  # np.diff takes three times as long
    if (
        not 0 <= ends[0] <= ends[-1] <= characters.size
        or sizes.min() < 0
        or sizes.max() > compiled_rows.LONGEST_TEXT
    ):
        return None
    try:
        return compiled_rows.texts_at(stream, ends[:-1] + characters.place, sizes, is_there)
    except ValueError:  # not UTF-8
        return None
