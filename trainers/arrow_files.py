"""Reads Parquet, Feather and Arrow files, whose columns have types."""

import io
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from registry.codecs.arrow_sizes import message_sizes
from registry.errors import BodyMalformed
from registry.extras import is_installed
from trainers.csv_data import check_names
from trainers.errors import DataMalformed, ExtraMissing
from trainers.unpacking import MAX_UNPACKED

ARROW_FILE = b"ARROW1"
ARROW_STREAM = b"\xff\xff\xff\xff"
PARQUET = b"PAR1"
_FILE_HEAD = 8
_FIRST_ROWS = 10_000


def read_parquet(raw: bytes, source: str, limit: int = MAX_UNPACKED) -> pd.DataFrame:
    """Read a Parquet file. Raises DataMalformed, HeaderRefused, DuplicateColumns, ExtraMissing."""
    pa = _arrow(f"Parquet file {source}")
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(raw))
        groups = range(file.metadata.num_row_groups)
        _check_size(
            sum(file.metadata.row_group(at).total_byte_size for at in groups), source, limit
        )
        check_names(file.schema_arrow.names, source)
        return _frame(file.read())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataMalformed(
            source, f"is not a Parquet file ({error})", "Write it again as Parquet or CSV."
        ) from None


def read_arrow(raw: bytes, source: str, limit: int = MAX_UNPACKED) -> pd.DataFrame:
    """Read a Feather file of version 2, or an Arrow file or stream. Raises as ``read_parquet``."""
    pa = _arrow(f"Arrow file {source}")
    is_file = raw.startswith(ARROW_FILE)
    opened = pa.ipc.open_file if is_file else pa.ipc.open_stream
    try:
        # A file begins with its mark and a stream.
        stream = raw[_FILE_HEAD:] if is_file else raw
        _check_size(sum(size.unpacked for size in message_sizes(stream)), source, limit)
        with opened(pa.BufferReader(raw)) as reader:
            check_names(reader.schema.names, source)
            table = reader.read_all()
            table.validate(full=True)
            return _frame(table)
    except (pa.ArrowException, OSError, ValueError, BodyMalformed) as error:
        raise DataMalformed(
            source, f"is not an Arrow file ({error})", "Write it again as Feather, Parquet or CSV."
        ) from None


def opened_batches(
    path: Path, content_start: bytes
) -> Callable[[list[str] | None], Iterator[Any]] | None:
    """A function that reads the record batches of a Parquet or Arrow file, all columns or those of
    the named ones that exist, without the others in memory. None: it is neither.

    Raises as ``read_parquet``, when it is called and while batches are read.
    """
    source = str(path)
    if content_start.startswith(PARQUET):
        _arrow(f"Parquet file {source}")
        return partial(_parquet_batches, path)
    if content_start.startswith((ARROW_FILE, ARROW_STREAM)):
        _arrow(f"Arrow file {source}")
        return partial(_arrow_batches, path, is_file=content_start.startswith(ARROW_FILE))
    return None


def read_batches(
    batches: Callable[[list[str] | None], Iterator[Any]],
) -> tuple[int, pd.DataFrame]:
    """The number of all rows, and the first ones. Raises as ``opened_batches``."""
    import pyarrow as pa

    first = next(batches(None), None)
    if first is None:
        return 0, pd.DataFrame()
    rows = sum(batch.num_rows for batch in batches([]))
    return rows, _frame(pa.Table.from_batches([first.slice(0, _FIRST_ROWS)]))


def _parquet_batches(path: Path, names: list[str] | None) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            check_names(file.schema_arrow.names, str(path))
            known = None if names is None else _known(names, file.schema_arrow.names)
            yield from file.iter_batches(columns=known)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataMalformed(
            str(path), f"is not a Parquet file ({error})", "Write it again as Parquet or CSV."
        ) from None


def _arrow_batches(path: Path, names: list[str] | None, *, is_file: bool) -> Iterator[Any]:
    import pyarrow as pa

    opened = pa.ipc.open_file if is_file else pa.ipc.open_stream
    try:
        with pa.memory_map(str(path)) as mapped, opened(mapped) as reader:
            check_names(reader.schema.names, str(path))
            every = (
                (reader.get_batch(at) for at in range(reader.num_record_batches))
                if is_file
                else iter(reader)
            )
            for batch in every:
                batch.validate(full=True)
                yield batch if names is None else batch.select(_known(names, batch.schema.names))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataMalformed(
            str(path),
            f"is not an Arrow file ({error})",
            "Write it again as Feather, Parquet or CSV.",
        ) from None


def _known(names: list[str], columns: list[str]) -> list[str]:
    """Those of ``names`` that exist; else the first column, whose batches have as many rows."""
    return [name for name in names if name in columns] or columns[:1]


def _arrow(what: str) -> Any:
    if not is_installed("arrow"):
        raise ExtraMissing("arrow", what)
    import pyarrow as pa

    return pa


def _check_size(size: int, source: str, limit: int) -> None:
    if size > limit:
        raise DataMalformed(
            source, f"unpacks to more than {limit:,} bytes", "Divide it into smaller files."
        )


def _frame(table: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        # Arrow makes columns by a function that pandas has deprecated.
        warnings.filterwarnings("ignore", "make_block is deprecated")
        frame = table.to_pandas(types_mapper=_nullable)
    # An index with a name was a column; one without a name only counts the rows.
    frame = frame.reset_index(drop=all(name is None for name in frame.index.names))
    named: pd.DataFrame = frame.rename(columns=str)
    return named


def _nullable(kind: Any) -> Any:
    """The dtype of pandas that keeps missing values apart; None: that of Arrow's choice."""
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        return pd.BooleanDtype()
    if pa.types.is_integer(kind):
        return pd.UInt64Dtype() if kind == pa.uint64() else pd.Int64Dtype()
    if pa.types.is_floating(kind):
        return pd.Float64Dtype()
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return pd.StringDtype() if is_text else None
