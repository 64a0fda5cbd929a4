"""Converts tensors to the rows of a batch: a tensor for each column, or one matrix for all of them.

A NaN in binary form is null, as in Arrow.
"""

from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs.array_checks import array_faults
from registry.codecs.batch import (
    Batch,
    Place,
    cell_faults,
    column_array,
    dates_to_seconds,
    first_faults,
    missing_columns,
    refuse,
)
from registry.codecs.tensor_elements import JSON_TEXTS, Elements, elements
from registry.codecs.tensor_types import BOOL, BYTES, NUMBERS, Tensor, refused_input
from registry.errors import Fault, InputRefused, shown
from registry.signature import Column, Scalar, Signature

_EXACT = 2**53
"""Up to here every integer is a double."""
_NUMBERS = frozenset(NUMBERS)
DATATYPES = {
    "number": _NUMBERS,
    "integer": _NUMBERS,
    "boolean": frozenset({BOOL}),
    "string": frozenset({BYTES}),
    "date": frozenset({BYTES}),
}
"""The data types that a column accepts."""
_MATRIX_DATATYPES = {**DATATYPES, "boolean": _NUMBERS | {BOOL}}


class TensorReader:
    """Reads tensors as rows of one signature. Safe to use from several threads."""

    def __init__(self, signature: Signature) -> None:
        self._inputs = signature.inputs
        self._names = signature.names
        self._positions = {name: position for position, name in enumerate(signature.names)}
        self._datatypes = [DATATYPES[column.type] for column in signature.inputs]

    def read(self, tensors: Sequence[Tensor]) -> Batch:
        """The rows in ``tensors``. Columns that the signature does not have are ignored.

        Raises InputRefused.
        """
        if len(tensors) == 1 and self._is_matrix(tensors[0]):
            return self._read_matrix(tensors[0])
        columns = self._columns(tensors)
        return self._batch(
            _row_count(columns),
            [elements(tensor) for tensor in columns],
            lambda row, column: f"inputs[{shown(column.name)}][{row}]",
        )

    def _is_matrix(self, tensor: Tensor) -> bool:
        """Whether the only tensor has all columns. Raises InputRefused where it has none."""
        width = len(self._inputs)
        is_column = tensor.name in self._positions
        if len(tensor.shape) == 2 and tensor.shape[1] == width and (width > 1 or not is_column):
            return True
        if is_column:
            return False
        message = f"expected a tensor for each column, or the shape [n, {width}] for all of them"
        raise refused_input(tensor.name, f"{message}, not {tensor.shape}", ".shape")

    def _read_matrix(self, tensor: Tensor) -> Batch:
        rows, width = tensor.shape
        for column in self._inputs:
            if column.type in {"string", "date"}:
                message = f"send a tensor for each column: {shown(column.name)} has texts"
                raise refused_input(tensor.name, message)
            if tensor.datatype not in _MATRIX_DATATYPES[column.type]:
                raise _unfit_datatype(tensor, column)
        found = elements(tensor)
        if rows == 1:
            row = found.tolist() if isinstance(found, np.ndarray) else found
            cells = (
                _as_column(column, [cell])[0]
                for column, cell in zip(self._inputs, row, strict=True)
            )
            if (batch := self._one_row(cells)) is not None:
                return batch
        columns = [_as_column(column, found[at::width]) for at, column in enumerate(self._inputs)]
        at = f"inputs[{shown(tensor.name)}]"
        return self._batch(
            rows, columns, lambda row, column: f"{at}[{row}][{self._positions[column.name]}]"
        )

    def _columns(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The tensors of the columns, in the order of the signature."""
        by_name = {tensor.name: tensor for tensor in tensors}
        if len(by_name) < len(tensors):
            twice = next(one.name for one in tensors if by_name[one.name] is not one)
            raise refused_input(twice, "the input appears twice")
        try:
            found = [by_name[name] for name in self._names]
        except KeyError:
            missing = [name for name in self._names if name not in by_name]
            raise missing_columns(missing, lambda name: f"inputs[{shown(name)}]") from None
        if len(tensors) > len(found):
            for tensor in tensors:
                if tensor.name not in self._positions:
                    elements(tensor)  # its size has to be right, too
        for column, tensor, datatypes in zip(self._inputs, found, self._datatypes, strict=True):
            if tensor.datatype not in datatypes and not _has_json_texts(tensor):
                raise _unfit_datatype(tensor, column)
        return found

    def _one_row(self, cells: Iterable[Any]) -> Batch | None:
        """The batch of one row; None where ``_batch`` has to look at a cell."""
        try:
            checked = tuple(map(cell_of, self._inputs, cells))
        except ValueError:
            return None
        return Batch(None, 1, False, checked, self._inputs)

    def _batch(self, rows: int, found: Sequence[Elements], place: Place) -> Batch:
        if rows == 0:
            raise InputRefused("The batch is empty: expected at least one row.")
        faults: list[Fault] = []
        columns: dict[str, NDArray[Any]] = {}
        for column, cells in zip(self._inputs, found, strict=True):
            if isinstance(cells, np.ndarray):
                with np.errstate(invalid="ignore"):  # a NaN that signals
                    array = cells.astype(np.float64)
                faults += array_faults(array, column, place, array)
            elif (converted := column_array(column, cells)) is not None:
                array = converted
            else:
                faults += first_faults(cell_faults(column, cells, place))
                continue
            columns[column.name] = array
        if faults:
            raise refuse(faults)
        return Batch(columns, rows)


def _row_count(columns: Sequence[Tensor]) -> int:
    """The number of rows, which all columns have. Raises InputRefused."""
    rows = columns[0].shape[0] if columns[0].shape else 0
    for tensor in columns:
        shape = tensor.shape
        if len(shape) not in {1, 2} or shape[1:] not in ([], [1]):
            message = f"expected the shape [n] or [n, 1], not {shape}"
            raise refused_input(tensor.name, message, ".shape")
        if shape[0] != rows:
            message = f"{shape[0]} rows, but {shown(columns[0].name)} has {rows}"
            raise refused_input(tensor.name, message, ".shape")
    return rows


def _as_column(column: Column, cells: Elements) -> Elements:
    """The cells of a column of a matrix, in which 0 and 1 may be booleans."""
    if column.type != "boolean":
        return cells
    if isinstance(cells, np.ndarray):
        cells = [None if cell != cell else cell for cell in cells.tolist()]  # noqa: PLR0124 - NaN
    return [bool(cell) if type(cell) in (int, float) and cell in (0, 1) else cell for cell in cells]


def cell_of(column: Column, cell: Any) -> Scalar:
    """A checked cell, as a batch of one row has it. Raises ValueError where it does not fit."""
    if cell is None or cell != cell:  # noqa: PLR0124 - only NaN is not itself
        if column.nullable:
            return None
        raise ValueError
    return _CELLS[column.type](cell)


def _number(cell: Any) -> float:
    if (type(cell) is float and isfinite(cell)) or _is_exact(cell):
        return float(cell)
    raise ValueError


def _integer(cell: Any) -> int:
    if _is_exact(cell) or (type(cell) is float and cell.is_integer() and abs(cell) <= _EXACT):
        return int(cell)
    raise ValueError


def _is_exact(cell: Any) -> bool:
    return type(cell) is int and -_EXACT <= cell <= _EXACT


def _same(kind: type) -> Callable[[Any], Any]:
    def check(cell: Any) -> Any:
        if type(cell) is kind:
            return cell
        raise ValueError

    return check


def _date(cell: Any) -> float | None:
    if type(cell) is str:
        return dates_to_seconds([cell])[0]
    raise ValueError


_CELLS: dict[str, Callable[[Any], Scalar]] = {
    "number": _number,
    "integer": _integer,
    "boolean": _same(bool),
    "string": _same(str),
    "date": _date,
}


def _has_json_texts(tensor: Tensor) -> bool:
    return tensor.datatype == BYTES and tensor.content_type == JSON_TEXTS


def _unfit_datatype(tensor: Tensor, column: Column) -> InputRefused:
    expected = {"boolean": BOOL, "string": BYTES, "date": BYTES}.get(
        column.type, "FP64 or another type of numbers"
    )
    message = f"expected {expected} for {shown(column.name)}, not {shown(tensor.datatype)}"
    return refused_input(tensor.name, message, ".datatype")
