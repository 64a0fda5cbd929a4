"""Holdouts, the data that versions are measured on: what is valid, and how one is read.

A holdout is read a few thousand rows at a time, so it takes no more memory than its predictions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal, cast

from registry.codecs.batch import Batch
from registry.codecs.parquet_body import parquet_batches, parquet_columns
from registry.codecs.requests import CSV, PARQUET, require_arrow
from registry.codecs.text_body import csv_batches, csv_columns
from registry.errors import Fault, HoldoutRefused, InputRefused, TooLarge, shown
from registry.signature import MAX_COLUMN_NAME, MAX_COLUMNS, Column, ColumnType, Signature

HoldoutFormat = Literal["parquet", "csv"]
FORMATS: dict[str, HoldoutFormat] = {PARQUET: "parquet", CSV: "csv"}
"""The formats of holdouts by their media types."""


def parse_format(name: str) -> HoldoutFormat:
    """The format of that name. Raises ValueError where there is none."""
    for known in FORMATS.values():
        if name == known:
            return known
    raise ValueError(f"{name!r} is not a format of holdouts.")


MAX_ROWS = 1_000_000
LEAST_ROWS = 2
"""One row has no variance: neither r2 nor an interval."""
BATCH_ROWS = 4096
_MAX_UNPACKED = 2**28
"""Bytes that one row group of a Parquet file may decompress to."""


@dataclass(frozen=True, slots=True)
class Holdout:
    """A stored holdout: the SHA-256 of its bytes, and ``target``, the column to predict."""

    sha256: str
    format: HoldoutFormat
    target: str
    rows: int


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a holdout and the number of its rows."""

    columns: list[str]
    rows: int


def read_shape(file: BinaryIO, format_: HoldoutFormat, target: str) -> Shape:
    """The shape of an untrusted holdout.

    Raises BodyMalformed where it is not of that format, HoldoutRefused where it has no target, too
    few rows or invalid columns, TooLarge where it has too many rows.
    """
    _check_readable(format_)
    with _refused():
        columns, rows = (parquet_columns if format_ == "parquet" else csv_columns)(file)
    if rows > MAX_ROWS:
        raise TooLarge("The holdout", f"{MAX_ROWS} rows")
    if rows < LEAST_ROWS:
        raise HoldoutRefused(
            f"The holdout has {'one row' if rows else 'no rows'}: at least {LEAST_ROWS} are "
            "required, and some hundred to tell versions apart."
        )
    if len(columns) > MAX_COLUMNS or not all(map(_is_valid_name, columns)):
        raise HoldoutRefused(
            f"The holdout has more than {MAX_COLUMNS} columns, or names of more than "
            f"{MAX_COLUMN_NAME} characters or with U+0000."
        )
    if columns.count(target) != 1:
        why = "is there twice" if target in columns else "is not a column of the table"
        raise HoldoutRefused(
            f"The target {shown(target)} {why}. The table has "
            f"{', '.join(map(shown, columns[:20]))}.",
            [Fault("target", why)],
        )
    return Shape(columns, rows)


def count_rows(file: BinaryIO, format_: HoldoutFormat, target: str, signature: Signature) -> int:
    """Read all rows as a version with ``signature`` reads them, and count them.

    Raises HoldoutRefused where the holdout does not fit the version, BodyMalformed, TooLarge.
    """
    return sum(batch.rows for batch in batches(file, format_, target, signature))


def batches(
    file: BinaryIO, format_: HoldoutFormat, target: str, signature: Signature
) -> Iterator[Batch]:
    """The columns of ``signature`` and the target, a few thousand rows at a time.

    Raises as ``count_rows`` does.
    """
    if target in signature.names:
        raise HoldoutRefused(f"The target {shown(target)} is one of the version's own columns.")
    wanted = Signature((*signature.inputs, _target_column(target, signature)), signature.output)
    _check_readable(format_)
    file.seek(0)
    with _refused():
        if format_ == "parquet":
            yield from parquet_batches(file, wanted, BATCH_ROWS, _MAX_UNPACKED)
        else:
            yield from csv_batches(file, wanted, BATCH_ROWS)


def _check_readable(format_: HoldoutFormat) -> None:
    """Raises FormatUnsupported."""
    if format_ == "parquet":
        require_arrow("A holdout in Parquet")


def row_count_differs() -> HoldoutRefused:
    """The error for a holdout with more or fewer rows than its metadata says."""
    return HoldoutRefused("The number of rows in the holdout differs from its metadata.")


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except InputRefused as error:
        raise HoldoutRefused(f"The holdout does not fit: {error.detail}", error.faults) from error


def _target_column(target: str, signature: Signature) -> Column:
    classes = signature.output.classes
    kinds: set[str] = {"number"} if classes is None else set(map(_kind, classes))
    kind = kinds.pop() if len(kinds) == 1 else "string"
    return Column(target, cast("ColumnType", kind))


def _is_valid_name(column: str) -> bool:
    return len(column) <= MAX_COLUMN_NAME and "\x00" not in column


def _kind(label: object) -> str:
    if isinstance(label, bool):
        return "boolean"
    return "string" if isinstance(label, str) else "number"
