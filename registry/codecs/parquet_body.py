"""Parquet files."""

import os
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from numpy.typing import NDArray

from registry.codecs.arrow_columns import LatestTexts, add_columns, checked_batch, to_batch
from registry.codecs.arrow_sizes import TableSize
from registry.codecs.batch import Batch
from registry.codecs.parquet_footer import Footer, ReadAt, read_footer
from registry.codecs.parquet_pages import PageHeaders
from registry.codecs.table_checks import (
    check_cells,
    check_content,
    check_schema,
    check_unpacked,
    first_line,
)
from registry.errors import BodyMalformed, Fault, TooLarge
from registry.signature import Column, Signature

_CELLS_AT_ONCE = 2**18
"""Cells that are unpacked at a time."""


class _File(NamedTuple):
    """A Parquet file and the position of each column of a signature among its columns."""

    reader: Any
    footer: Footer
    positions: dict[str, int]


def decode_parquet(body: bytes, signature: Signature, max_cells: int) -> Batch:
    """Read the columns of ``signature`` from a Parquet file; raises as ``decode_arrow`` does."""
    from registry.codecs.arrow_library import pa

    columns: dict[str, NDArray[Any]] = {}
    faults: list[Fault] = []
    try:
        file = _opened(pa.BufferReader(body), _read_footer(body), signature)
        rows = file.footer.rows
        check_cells(rows, len(signature.inputs), max_cells)
        headers = PageHeaders(_from(body))
        unpacked = 0
        for group in file.footer.groups:
            unpacked += headers.unpacked(group, file.positions)
            check_unpacked(unpacked, max_cells)
        at_once = max(1, _CELLS_AT_ONCE // max(1, rows))
        for start in range(0, len(signature.inputs), at_once):
            inputs = signature.inputs[start : start + at_once]
            read = [file.positions[column.name] for column in inputs]
            table = file.reader.read_all(column_indices=read, use_threads=False)
            _check_rows(table.num_rows, rows)
            check_content(table)
            faults += add_columns(columns, table, inputs)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BodyMalformed(f"The body is not a Parquet file: {first_line(error)}") from error
    return checked_batch(columns, rows, faults)


def parquet_size(body: bytes, signature: Signature) -> TableSize:
    """The size of what ``decode_parquet`` reads of ``body``; 0 where it refuses it."""
    from pyarrow import parquet

    from registry.codecs.arrow_library import pa

    try:
        metadata = parquet.read_metadata(pa.BufferReader(body))
        read = list(_positions(metadata, signature).values())
        footer = _read_footer(body)
        return TableSize(footer.rows, footer.unpacked(read))
    except (pa.ArrowException, OSError, ValueError, BodyMalformed):
        return TableSize(0, 0)


def parquet_columns(file: BinaryIO) -> tuple[list[str], int]:
    """The names of the columns in the Parquet ``file``, and the number of rows that it declares.

    Raises BodyMalformed.
    """
    from pyarrow import parquet

    from registry.codecs.arrow_library import pa

    try:
        metadata = parquet.read_metadata(file)
        rows = read_footer(_from_file(file), file.seek(0, os.SEEK_END)).rows
        return list(metadata.schema.to_arrow_schema().names), rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BodyMalformed(f"The table is not a Parquet file: {first_line(error)}") from error


def parquet_batches(
    file: BinaryIO, signature: Signature, rows: int, max_unpacked: int
) -> Iterator[Batch]:
    """Read the columns of ``signature`` from the Parquet ``file``, ``rows`` rows at a time.

    Raises BodyMalformed where it is not a Parquet file, InputRefused where it does not fit the
    signature, TooLarge where a row group or a batch unpacks to more than ``max_unpacked`` bytes.
    """
    from registry.codecs.arrow_library import pa

    read_at = _from_file(file)
    try:
        footer = read_footer(read_at, file.seek(0, os.SEEK_END))
        source = _opened(file, footer, signature)
        for group in footer.groups:
            _check_group(group.unpacked, max_unpacked)  # other versions may read the rest
            _check_group(PageHeaders(read_at).unpacked(group, source.positions), max_unpacked)
        first = 0
        latest: LatestTexts = {}
        groups, read = list(range(len(footer.groups))), list(source.positions.values())
        for part in source.reader.iter_batches(
            rows, row_groups=groups, column_indices=read, use_threads=False
        ):
            _check_group(part.nbytes, max_unpacked)
            table = pa.Table.from_batches([part])
            check_content(table)
            if part.num_rows:
                yield to_batch(table, signature, first, latest)
            first += part.num_rows
        _check_rows(first, footer.rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BodyMalformed(f"The table is not a Parquet file: {first_line(error)}") from error


def _from(body: bytes) -> ReadAt:
    return lambda at, size: body[at : at + size]


def _from_file(file: BinaryIO) -> ReadAt:
    def read_at(at: int, size: int) -> bytes:
        file.seek(at)
        return file.read(size)

    return read_at


def _read_footer(body: bytes) -> Footer:
    return read_footer(_from(body), len(body))


def _opened(source: Any, footer: Footer, signature: Signature) -> _File:
    """The Parquet file, with its texts read as dictionaries: a text that is repeated a million
    times takes a few bytes in Parquet, and does so in memory too.

    Raises InputRefused, or BodyMalformed where a column is missing.
    """
    from pyarrow import parquet

    file = parquet.ParquetFile(source)
    metadata = file.metadata
    check_schema(metadata.schema.to_arrow_schema(), signature)
    positions = _positions(metadata, signature)
    if texts := [
        positions[column.name]
        for column in signature.inputs
        if column.type == "string" or _is_text_of_dates(column, metadata, positions)
    ]:
        file = parquet.ParquetFile(source, metadata=metadata, read_dictionary=texts)
    return _File(file.reader, footer, positions)


def _is_text_of_dates(column: Column, metadata: Any, positions: dict[str, int]) -> bool:
    stored = metadata.schema.column(positions[column.name]).physical_type
    return column.type == "date" and stored == "BYTE_ARRAY"


def _positions(metadata: Any, signature: Signature) -> dict[str, int]:
    """The position of each column of ``signature`` among the columns of the file that are not
    nested: pyarrow selects by name also the columns in a struct of that name.

    Raises BodyMalformed where one is nested or missing.
    """
    columns = [metadata.schema.column(at) for at in range(metadata.num_columns)]
    known = {column.name: at for at, column in enumerate(columns) if column.path == column.name}
    for name in signature.names:
        if name not in known:
            raise BodyMalformed(f"The Parquet file has no column {name!r} that is not nested.")
    return {name: known[name] for name in signature.names}


def _check_rows(found: int, declared: int) -> None:
    if found != declared:
        raise BodyMalformed(f"The Parquet file has {found} rows, but declares {declared}.")


def _check_group(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge("A row group of the table", f"{limit} unpacked bytes")
