"""Arrow streams and Parquet files."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from numpy.typing import NDArray

from registry.codecs.arrow_columns import add_columns
from registry.codecs.arrow_sizes import message_sizes
from registry.codecs.batch import Batch, missing_columns, refuse
from registry.errors import BodyMalformed, Fault, InputRefused, TooLarge
from registry.signature import Signature

if TYPE_CHECKING:
    from registry.codecs.arrow_library import pa


_BYTES_A_CELL = 16
"""The most that a cell of a compressed table may unpack to on average: a number takes 8 bytes."""
_CELLS_AT_ONCE = 2**18
"""Cells of a Parquet file that are unpacked at a time."""


def decode_arrow(body: bytes, signature: Signature, max_cells: int) -> Batch:
    """Read an Arrow IPC stream.

    Raises BodyMalformed where ``body`` is not an Arrow stream, InputRefused where it does not fit
    the signature, TooLarge where it has more than ``max_cells`` cells.
    """
    from registry.codecs.arrow_library import pa

    try:
        _check_stream(body, max_cells * _BYTES_A_CELL)
        with pa.ipc.open_stream(body) as reader:
            _check_names(reader.schema, signature)
            batches, rows = [], 0
            for batch in reader:
                rows += batch.num_rows
                _check_size(rows, batch.num_columns, max_cells)
                # The body is untrusted: without this, offsets could point anywhere.
                batch.validate(full=True)
                batches.append(batch)
            table = pa.Table.from_batches(batches, reader.schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BodyMalformed(f"The body is not an Arrow stream: {_first_line(error)}") from error
    return _batch(table, signature)


def decode_parquet(body: bytes, signature: Signature, max_cells: int) -> Batch:
    """Read a Parquet file; raises as ``decode_arrow`` does."""
    from pyarrow import parquet

    from registry.codecs.arrow_library import pa

    columns: dict[str, NDArray[Any]] = {}
    faults: list[Fault] = []
    try:
        source = pa.BufferReader(body)
        schema = parquet.read_schema(source)
        _check_names(schema, signature)
        file = _opened(source, schema, signature)
        rows = file.metadata.num_rows
        _check_size(rows, len(signature.inputs), max_cells)
        groups = (file.metadata.row_group(index) for index in range(file.metadata.num_row_groups))
        declared = sum(group.total_byte_size for group in groups)
        _check_unpacked(declared, max_cells * _BYTES_A_CELL)
        at_once = max(1, _CELLS_AT_ONCE // max(1, rows))
        for start in range(0, len(signature.inputs), at_once):
            inputs = signature.inputs[start : start + at_once]
            names = [column.name for column in inputs]
            table = file.read(columns=names, use_threads=False)
            table.validate(full=True)
            faults += add_columns(columns, table, inputs)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BodyMalformed(f"The body is not a Parquet file: {_first_line(error)}") from error
    return _checked(columns, rows, faults)


def parquet_columns(file: BinaryIO) -> tuple[list[str], int]:
    """The names of the columns in the Parquet ``file``, and the number of rows that it declares.

    Raises BodyMalformed.
    """
    from pyarrow import parquet

    from registry.codecs.arrow_library import pa

    try:
        metadata = parquet.read_metadata(file)
        return list(metadata.schema.to_arrow_schema().names), int(metadata.num_rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BodyMalformed(f"The table is not a Parquet file: {_first_line(error)}") from error


def parquet_batches(
    file: BinaryIO, signature: Signature, rows: int, max_unpacked: int
) -> Iterator[Batch]:
    """Read the columns of ``signature`` from the Parquet ``file``, ``rows`` rows at a time.

    Raises BodyMalformed where it is not a Parquet file, InputRefused where it does not fit the
    signature, TooLarge where a row group or a batch unpacks to more than ``max_unpacked`` bytes.
    """
    from pyarrow import parquet

    from registry.codecs.arrow_library import pa

    try:
        schema = parquet.read_schema(file)
        _check_names(schema, signature)
        source = _opened(file, schema, signature)
        for index in range(source.metadata.num_row_groups):
            _check_group(source.metadata.row_group(index).total_byte_size, max_unpacked)
        first = 0
        for part in source.iter_batches(rows, columns=list(signature.names), use_threads=False):
            _check_group(part.nbytes, max_unpacked)
            part.validate(full=True)
            if part.num_rows:
                yield _batch(pa.Table.from_batches([part]), signature, first)
            first += part.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BodyMalformed(f"The table is not a Parquet file: {_first_line(error)}") from error


def _opened(source: Any, schema: "pa.Schema", signature: Signature) -> Any:
    """The Parquet file, with its texts read as dictionaries: a text that is repeated a million
    times takes a few bytes in Parquet, and does so in memory too.

    Raises InputRefused for nested columns, where it would not.
    """
    from pyarrow import parquet

    from registry.codecs.arrow_library import pa

    kinds = [(column, schema.field(column.name).type) for column in signature.inputs]
    if nested := [
        Fault(column.name, f"expected {column.type}, not {kind}")
        for column, kind in kinds
        if pa.types.is_nested(kind)
    ]:
        raise refuse(nested)
    are_texts = (
        *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
        *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view),
    )
    texts = [column.name for column, kind in kinds if any(is_text(kind) for is_text in are_texts)]
    return parquet.ParquetFile(source, read_dictionary=texts)


def _check_group(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge("A row group of the table", f"{limit} unpacked bytes")


def _check_stream(body: bytes, limit: int) -> None:
    """Raises TooLarge where the stream unpacks to more than ``limit`` bytes."""
    unpacked = 0
    for size in message_sizes(body):
        unpacked += size.unpacked
        _check_unpacked(unpacked, limit)


def _check_unpacked(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge("The unpacked table", f"{limit} bytes", "HOTSWAP_MAX_PREDICT_MB")


def _check_size(rows: int, columns: int, max_cells: int) -> None:
    if rows * columns > max_cells:
        raise TooLarge("The table", f"{max_cells} cells", "HOTSWAP_MAX_PREDICT_MB")


def _check_names(schema: "pa.Schema", signature: Signature) -> None:
    missing = [name for name in signature.names if name not in schema.names]
    if missing:
        raise missing_columns(missing)
    for name in signature.names:
        if schema.names.count(name) > 1:
            raise InputRefused(
                f"The table has the column {name!r} twice.",
                [Fault(name, "the column appears twice")],
            )


def _batch(table: "pa.Table", signature: Signature, first: int = 0) -> Batch:
    """``first``: the index of its first row in the whole table."""
    columns: dict[str, NDArray[Any]] = {}
    faults = add_columns(columns, table, signature.inputs, first)
    return _checked(columns, table.num_rows, faults)


def _checked(columns: dict[str, NDArray[Any]], rows: int, faults: list[Fault]) -> Batch:
    if rows == 0:
        raise InputRefused("The batch is empty: expected at least one row.")
    if faults:
        raise refuse(faults)
    return Batch(columns, rows)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
