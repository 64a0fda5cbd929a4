"""Reads a sheet of an Excel workbook."""

import io
import lzma
import zipfile
import zlib
from datetime import date, time, timedelta
from typing import Any

import pandas as pd

from registry.extras import is_installed
from trainers.cell_columns import column_of
from trainers.csv_data import check_names
from trainers.errors import DataEmpty, DataMalformed, ExtraMissing
from trainers.unpacking import MAX_UNPACKED

ZIP = b"PK\x03\x04"
OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_WORKBOOK = "xl/workbook.xml"
_PIECE = 2**20
# What zipfile raises for an archive that is damaged, encrypted or packed in a way it does not know.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
    EOFError,
)


def is_workbook(raw: bytes) -> bool:
    """Whether ``raw`` is a zip archive with a workbook in it."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return _WORKBOOK in archive.namelist()
    except _UNREADABLE:
        return False


def read_excel(
    raw: bytes, source: str, sheet: str | None = None, limit: int = MAX_UNPACKED
) -> tuple[pd.DataFrame, str]:
    """The table in ``sheet``, which begins with a row of names, and the name of the sheet. None:
    the only sheet that is not empty.

    Raises DataMalformed, DataEmpty, HeaderRefused, DuplicateColumns, ExtraMissing.
    """
    if not is_installed("excel"):
        raise ExtraMissing("excel", f"Excel workbook {source}")
    import python_calamine as calamine

    _check_size(raw, source, limit)
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(raw))
        name = _sheet(book, source, sheet)
        rows = book.get_sheet_by_name(name).to_python()
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise DataMalformed(
            source, f"cannot be read as an Excel workbook: {error}", "Save it again as .xlsx."
        ) from None
    where = f"{source} (sheet '{name}')"
    if not rows:
        raise DataEmpty(where, "is empty")
    names = [str(cell).strip() and str(cell) for cell in rows[0]]
    check_names(names, where)
    columns = {
        column: column_of([_cell(row[place], column, where) for row in rows[1:]])
        for place, column in enumerate(names)
    }
    return pd.DataFrame(columns), name


def _sheet(book: Any, source: str, wanted: str | None) -> str:
    names = book.sheet_names
    if wanted is not None and wanted in names:
        return wanted
    filled = [name for name in names if book.get_sheet_by_name(name).height]
    if wanted is None and len(filled) == 1:
        return str(filled[0])
    if wanted is None and not filled:
        raise DataEmpty(source, "has no sheet with cells")
    found = ", ".join(f"'{name}'" for name in names)
    what = "has several sheets" if wanted is None else f"has no sheet '{wanted}'"
    raise DataMalformed(
        source,
        f"{what}: {found}",
        f"Give one of them: sheet = '{names[0]}' (--sheet '{names[0]}').",
    )


def _check_size(raw: bytes, source: str, limit: int) -> None:
    """Unpack all of it once, in pieces: what an archive declares may be wrong."""
    size = 0
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for member in archive.infolist():
                with archive.open(member) as stream:
                    while piece := stream.read(_PIECE):
                        size += len(piece)
                        if size > limit:
                            raise DataMalformed(
                                source,
                                f"unpacks to more than {limit:,} bytes",
                                "Write it as CSV or Parquet.",
                            )
    except _UNREADABLE as error:
        raise DataMalformed(
            source, f"is a damaged or encrypted workbook ({error})", "Save it again."
        ) from None


def _cell(cell: Any, column: str, where: str) -> Any:
    if cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)  # Excel has no whole numbers
    if isinstance(cell, time | timedelta):
        raise DataMalformed(
            where, f"holds times of day in the column '{column}'", "Write them as numbers or texts."
        )
    if isinstance(cell, str | int | float | bool | date):
        return cell
    raise DataMalformed(where, f"holds {cell!r} in the column '{column}'", "Write it as a text.")
