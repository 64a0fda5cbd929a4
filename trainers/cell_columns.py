"""Makes columns of cells that have types of their own, such as those of JSON and of Excel."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pandas as pd

Cell = str | int | float | bool | date | None


def column_of(cells: Sequence[Cell]) -> "pd.Series[Any]":
    """A column of numbers, booleans, texts or dates; of texts where it has several of these.

    None is missing. A number beyond 64 bits becomes a float.
    """
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds <= {int} and all(-(2**63) <= cell < 2**63 for cell in cells if cell is not None):
        return pd.Series(cells, dtype="Int64")
    if kinds <= {int, float}:
        return pd.Series([None if cell is None else float(cell) for cell in cells], dtype="Float64")
    if kinds == {bool}:
        return pd.Series(cells, dtype="boolean")
    if all(issubclass(kind, date) for kind in kinds):
        return pd.Series(cells, dtype=object)
    return pd.Series([None if cell is None else _text(cell) for cell in cells], dtype="string")


def _text(cell: Cell) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date) else str(cell)
