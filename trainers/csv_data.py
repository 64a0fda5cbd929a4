"""Reads CSV strictly: duplicate names and ragged rows, which pandas accepts, are errors."""

import codecs
import csv
import io
import itertools
from collections import Counter
from collections.abc import Collection, Sequence

import pandas as pd

from trainers.errors import (
    DataEmpty,
    DataMalformed,
    DuplicateColumns,
    EncodingRefused,
    HeaderRefused,
)

_OTHER_FORMATS = {
    b"PK\x03\x04": ("is a zip archive or an Excel workbook, not CSV", "Export the sheet as CSV."),
    b"PAR1": ("is a Parquet file, not CSV", "Give it the ending .parquet."),
    b"\x1f\x8b": ("is compressed with gzip", "Unpack it first."),
    b"{": ("looks like JSON, not CSV", "Write it as CSV or Parquet."),
    b"[": ("looks like JSON, not CSV", "Write it as CSV or Parquet."),
    b"<": ("looks like HTML or XML, not CSV", "Write it as CSV or Parquet."),
}
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_csv(raw: bytes, source: str, *, as_text: Collection[str] = ()) -> pd.DataFrame:
    """Read ``raw``: UTF-8 with or without a byte-order mark, commas, a header, and in every row as
    many fields as the header has. Empty fields, ``NA`` and the like are missing values. The other
    cells of the columns ``as_text`` are kept as they are written.

    Raises a subclass of DataRefused, which says what is wrong and on which line.
    """
    for start, (what, advice) in _OTHER_FORMATS.items():
        if raw.removeprefix(codecs.BOM_UTF8).lstrip().startswith(start):
            raise DataMalformed(source, what, advice)
    text = _decoded(raw, source)
    _check_rows(text, source)
    # index_col=False, because pandas would otherwise sometimes use the first column as row names.
    try:
        return pd.read_csv(
            io.StringIO(text),
            dtype_backend="numpy_nullable",
            dtype=dict.fromkeys(as_text, "string"),
            index_col=False,
            low_memory=False,
        )
    except pd.errors.ParserError as error:
        raise DataMalformed(
            source, f"cannot be read as CSV: {error}", "Write it again as plain CSV."
        ) from None


def check_names(names: Sequence[str], source: str) -> None:
    """Raise HeaderRefused for a column without a name, DuplicateColumns for a name used twice."""
    for position, name in enumerate(names, start=1):
        if not name.strip():
            raise HeaderRefused(
                source,
                f"gives column {position} no name",
                "Name it or remove it; pandas leaves it out with to_csv(index=False).",
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DuplicateColumns(source, twice)


def _decoded(raw: bytes, source: str) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise EncodingRefused(source, 1, 0, raw[0])
    body = raw.removeprefix(codecs.BOM_UTF8)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        offset = error.start + len(raw) - len(body)
        raise EncodingRefused(source, line, offset, body[error.start]) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataMalformed(
            source, f"holds a zero byte on line {line}", "It is not text: write it as UTF-8 CSV."
        )
    if not text.strip():
        raise DataEmpty(source, "is empty")
    return text


def _check_rows(text: str, source: str) -> None:
    # strict: an unclosed quote is an error instead of swallowing the rest of the file.
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(itertools.dropwhile(lambda row: not row, rows))
        _check_header(header, source)
        for row in rows:
            if row and len(row) != len(header):
                raise DataMalformed(
                    source,
                    f"has {len(row)} fields on line {rows.line_num}; its header has {len(header)}",
                    "Every row needs as many fields as the header; put a text with commas in "
                    'double quotes ("a, b").',
                )
    except csv.Error as error:
        raise DataMalformed(
            source, f"cannot be read as CSV at line {rows.line_num}: {error}", "Correct that line."
        ) from None


def _check_header(header: list[str], source: str) -> None:
    if len(header) == 1:
        for separator, named in _OTHER_SEPARATORS.items():
            if separator in header[0]:
                raise DataMalformed(
                    source, f"separates its columns by {named}", "Separate them by commas."
                )
        raise DataMalformed(
            source,
            "has a single column",
            "Training needs a target and at least one other column, separated by commas.",
        )
    check_names(header, source)
    if all(_is_number(name) for name in header):
        raise HeaderRefused(
            source, "holds only numbers", "Add a first line with the names of the columns."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
