"""The rows of one request as columns, and the checks of their cells.

Dates are texts in the caller's body, and seconds (`registry.dates`) from the decoder on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from math import isfinite, nan
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.codecs.data_frame import Columns
from registry.dates import EXPECTED, format_date, parse_date
from registry.errors import Fault, InputRefused, shown
from registry.signature import Column, Scalar, Signature

MAX_FAULTS = 20
"""The number of bad cells that a refusal names."""

_EXACT = 2**53
"""Below, every whole number is a double."""

Place = Callable[[int, Column], str]
"""The path of a cell in the caller's body, from its row and column: ``instances[3].x``."""

_EXPECTED = {
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "string": "a text",
    "date": EXPECTED,
}
_PLAIN_TYPES: dict[str, frozenset[type]] = {
    "number": frozenset({float, int}),
    "integer": frozenset({int}),
    "boolean": frozenset({bool}),
    "string": frozenset({str}),
    "date": frozenset({str}),
}


class Batch(msgspec.Struct, gc=False):
    """Rows as one array for each input; ``single``: the caller sent one row, not a list.

    A single row may have ``cells`` instead: checked values in the order of the signature, None for
    null. Arrays of them take longer to make than everything else, so ``columns`` makes them only
    when they are needed.
    """

    arrays: Columns | None
    rows: int
    single: bool = False
    cells: tuple[Scalar, ...] = ()
    inputs: tuple[Column, ...] = ()
    """The columns of the cells."""

    @property
    def columns(self) -> Columns:
        if self.arrays is None:
            self.arrays = {
                column.name: cells_to_array(column, [cell])
                for column, cell in zip(self.inputs, self.cells, strict=True)
            }
        return self.arrays


def build_batch(
    values: Sequence[Sequence[Any]], signature: Signature, place: Place, *, single: bool = False
) -> Batch:
    """Check ``values``, one sequence for each input of ``signature``, and convert them to arrays.

    Raises InputRefused naming the bad cells, or for an empty batch.
    """
    rows = len(values[0]) if values else 0
    if rows == 0:
        raise InputRefused("The batch is empty: expected at least one row.")
    faults: list[Fault] = []
    columns: dict[str, NDArray[Any]] = {}
    for column, cells in zip(signature.inputs, values, strict=True):
        array = column_array(column, cells)
        if array is None:
            faults += first_faults(cell_faults(column, cells, place))
        else:
            columns[column.name] = array
    if faults:
        raise refuse(faults)
    return Batch(columns, rows, single)


def refuse(faults: Iterable[Fault]) -> InputRefused:
    """The refusal that names the first of ``faults``."""
    named = first_faults(faults)
    what = "One value does" if len(named) == 1 else f"{len(named)} values do"
    if len(named) > MAX_FAULTS:
        what = f"More than {MAX_FAULTS} values do"
    return InputRefused(
        f"{what} not fit the model's signature. First, {named[0].at}: {named[0].message}.",
        named[:MAX_FAULTS],
    )


def first_faults(faults: Iterable[Fault]) -> list[Fault]:
    """As many as a refusal names, and one more: a body can have millions."""
    return list(islice(faults, MAX_FAULTS + 1))


def missing_columns(names: Sequence[str], at: Callable[[str], str] = str) -> InputRefused:
    """The refusal of rows that lack the columns ``names``."""
    faults = [Fault(at(name), "the column is missing") for name in names]
    listed = ", ".join(repr(name) for name in names[:MAX_FAULTS])
    return InputRefused(f"Columns of the model are missing: {listed}.", faults[:MAX_FAULTS])


def column_array(column: Column, cells: Sequence[Any]) -> NDArray[Any] | None:
    """The decoded cells of a column as an array, or None where one does not fit."""
    types = set(map(type, cells))
    if column.nullable:
        types.discard(type(None))
    if column.type == "integer" and types == {float} | (types & {int}):
        if not all(cell is None or isinstance(cell, int) or cell.is_integer() for cell in cells):
            return None
    elif not types <= _PLAIN_TYPES[column.type]:
        return None
    try:
        array = cells_to_array(column, dates_to_seconds(cells) if column.type == "date" else cells)
    except (OverflowError, ValueError):
        return None
    return None if column.type != "string" and np.isinf(array).any() else array


def dates_to_seconds(texts: Iterable[str | None]) -> list[float | None]:
    """Raises ValueError for a text that is not a date."""
    return [None if text is None else parse_date(text) for text in texts]


def cells_to_array(column: Column, cells: Sequence[Any]) -> NDArray[Any]:
    """Cells of the column's type, seconds for dates, or None for null, as an array.

    Raises OverflowError for an integer beyond the range of doubles.
    """
    if column.type != "string":
        return np.array(cells, dtype=np.float64)  # numpy converts None to NaN
    array = np.empty(len(cells), dtype=object)
    array[:] = [nan if cell is None else cell for cell in cells] if column.nullable else cells
    return array


def array_to_cell(column_type: str, value: Any) -> Scalar:
    """An element of the array of a column of this type as JSON: the inverse of
    ``cells_to_array``."""
    if value != value:  # noqa: PLR0124 - only NaN, which is null, is not itself
        return None
    if column_type == "string":
        return str(value)
    if column_type == "boolean":
        return bool(value)
    if column_type == "date":
        return format_date(value)
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


def cell_faults(column: Column, cells: Sequence[Any], place: Place) -> Iterator[Fault]:
    """What is wrong with the decoded cells of a column."""
    for row, cell in enumerate(cells):
        if (message := fault_of(column, cell)) is not None:
            yield Fault(place(row, column), message)


def fault_of(column: Column, cell: Any) -> str | None:
    """What is wrong with a decoded cell; None where it fits."""
    expected = _EXPECTED[column.type]
    if cell is None:
        return None if column.nullable else f"expected {expected}, null is not allowed here"
    if column.type == "date" and isinstance(cell, str):
        return None if _is_date(cell) else f"expected {expected}, not {_described(cell)}"
    if type(cell) in _PLAIN_TYPES[column.type]:
        return None if isinstance(cell, str) or _in_range(cell) else "the number is out of range"
    if column.type == "integer" and isinstance(cell, float):
        return None if cell.is_integer() else f"expected {expected}, not {cell!r}"
    return f"expected {expected}, not {_described(cell)}"


def _is_date(text: str) -> bool:
    try:
        parse_date(text)
    except ValueError:
        return False
    return True


def _in_range(cell: float) -> bool:
    try:
        return isfinite(float(cell))
    except OverflowError:
        return False


def _described(cell: Any) -> str:
    if isinstance(cell, str):
        return f"the text {shown(cell)}"
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, list):
        return "a list"
    if isinstance(cell, dict):
        return "an object"
    text = repr(cell)
    return text if len(text) <= 60 else f"{text[:59]}…"
