"""Reads CSV strictly: duplicate names and ragged rows, which pandas accepts, are errors."""

import csv
import io
import itertools
import re
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from trainers.csv_dialect import DELIMITERS, decoded, delimiter_of
from trainers.errors import DataMalformed, DuplicateColumns, HeaderRefused
from trainers.file_settings import FROM_CONTENT, FileSettings

_OTHER_FORMATS = {
    "{": ("looks like JSON, not CSV", "Write it as JSON lines (.jsonl), CSV or Parquet."),
    "[": ("looks like JSON, not CSV", "Write it as JSON lines (.jsonl), CSV or Parquet."),
    "<": ("looks like HTML or XML, not CSV", "Write it as CSV or Parquet."),
}


_CODE = re.compile(r"\s*(?:[+-]?0[0-9]|[0-9]+[eE][0-9]+\s*$)")
_FIRST = 100


@dataclass(frozen=True, slots=True)
class CsvTable:
    """``frame`` has columns of numbers and booleans where all cells are such, and columns of texts
    as they are written; only empty cells are missing."""

    frame: pd.DataFrame
    encoding: str
    delimiter: str


def read_csv(
    raw: bytes,
    source: str,
    settings: FileSettings = FROM_CONTENT,
    *,
    as_text: Collection[str] | None = (),
) -> CsvTable:
    """Read ``raw``: a header, and in every row as many fields as the header has.

    The cells of the columns ``as_text`` (None: of all), and of those with numbers that may be
    codes, such as 0123 and 12E3, are kept as they are written. Raises a subclass of DataRefused,
    which says what is wrong and on which line.
    """
    text, encoding = decoded(raw, source, settings.encoding)
    for start, (what, advice) in _OTHER_FORMATS.items():
        if text.lstrip().startswith(start):
            raise DataMalformed(source, what, advice)
    delimiter = settings.delimiter or delimiter_of(text, source)
    header = _check_rows(text, source, delimiter)
    if as_text is None:
        as_text = header
    frame = _read(text, source, delimiter, as_text)
    codes = _possible_codes(frame, _has_padding(text, delimiter))
    if codes:
        written = _read(text, source, delimiter, codes, only=codes)
        kept = {name: written[name] for name in codes if written[name].str.match(_CODE).any()}
        frame = frame.assign(**kept)
    return CsvTable(frame, encoding, delimiter)


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


def _read(
    text: str,
    source: str,
    delimiter: str,
    as_text: Collection[str],
    *,
    only: Collection[str] | None = None,
) -> pd.DataFrame:  # fmt: skip
    # index_col=False, because pandas would otherwise sometimes use the first column as row names.
    try:
        return pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            dtype_backend="numpy_nullable",
            dtype=dict.fromkeys(as_text, "string"),
            usecols=None if only is None else list(only),
            index_col=False,
            low_memory=False,
            keep_default_na=False,
            na_values=[""],
        )
    except (pd.errors.ParserError, OverflowError) as error:
        raise DataMalformed(
            source, f"cannot be read as CSV: {error}", "Write it again as plain CSV."
        ) from None


def _possible_codes(frame: pd.DataFrame, has_padding: bool) -> list[str]:
    """The columns of numbers that may be written 0123 or 12E3."""
    kinds = {"Int64"} if has_padding else set()
    return [
        str(name)
        for name, kind in frame.dtypes.items()
        if str(kind) in kinds or (str(kind) == "Float64" and _are_whole(frame[name]))
    ]


def _are_whole(numbers: "pd.Series[float]") -> bool:
    present = numbers.dropna().to_numpy(dtype=float)
    return bool(len(present) and (np.rint(present[:_FIRST]) == present[:_FIRST]).all())


def _has_padding(text: str, delimiter: str) -> bool:
    """Whether a cell may begin with a zero and another digit."""
    # Each pattern begins with one sign, for which re searches fast.
    return any(
        re.search(rf"{re.escape(before)} *[+-]?0[0-9]", text) for before in (delimiter, "\n", '"')
    )


def checked_rows(lines: Iterable[str], source: str, delimiter: str) -> Iterator[list[str]]:
    """The header and then the rows, of which empty ones have no fields.

    Raises DataMalformed with the line of a row that has not as many fields as the header, and
    HeaderRefused, DuplicateColumns.
    """
    # strict: an unclosed quote is an error instead of swallowing the rest of the file.
    rows = csv.reader(lines, strict=True, delimiter=delimiter)
    try:
        header = next(itertools.dropwhile(lambda row: not row, rows))
        _check_header(header, source)
        yield header
        for row in rows:
            if row and len(row) != len(header):
                raise DataMalformed(
                    source,
                    f"has {len(row)} fields on line {rows.line_num}; its header has {len(header)}",
                    "Every row needs as many fields as the header; put a text with "
                    f"{DELIMITERS.get(delimiter, repr(delimiter))} in double quotes "
                    f'("a{delimiter} b").',
                )
            yield row
    except csv.Error as error:
        raise DataMalformed(
            source, f"cannot be read as CSV at line {rows.line_num}: {error}", "Correct that line."
        ) from None


def _check_rows(text: str, source: str, delimiter: str) -> list[str]:
    rows = checked_rows(io.StringIO(text, newline=""), source, delimiter)
    header = next(rows)
    deque(rows, maxlen=0)
    return header


def _check_header(header: list[str], source: str) -> None:
    if len(header) == 1:
        raise DataMalformed(
            source,
            "has a single column",
            "Training needs a target and at least one other column; --delimiter SIGN sets the sign "
            "between them.",
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
