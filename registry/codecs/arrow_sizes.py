"""The sizes that Arrow streams and Parquet files declare, read before they are unpacked."""

from collections.abc import Iterator
from typing import NamedTuple

from registry.codecs.arrow_messages import is_delta, rows_of, unpacked_size


class TableSize(NamedTuple):
    """``unpacked``: the unpacked bytes of compressed parts, and of the copies of dictionaries that
    Arrow makes for each addition to them."""

    rows: int
    unpacked: int


_NONE = TableSize(0, 0)


def arrow_size(body: bytes) -> TableSize:
    """The size of the Arrow stream ``body``; 0 where it is malformed."""
    from registry.codecs.arrow_library import pa

    try:
        sizes = list(message_sizes(body))
    except (pa.ArrowException, OSError, ValueError):
        return _NONE
    return TableSize(sum(size.rows for size in sizes), sum(size.unpacked for size in sizes))


def message_sizes(body: bytes) -> Iterator[TableSize]:
    """The size of each message of the Arrow stream ``body``.

    Raises ArrowException, OSError or ValueError where it is malformed.
    """
    from registry.codecs.arrow_library import pa

    dictionaries = 0
    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(body)):
        if message.body is None:
            continue
        metadata = message.metadata.to_pybytes()
        unpacked = unpacked_size(metadata, memoryview(message.body))
        if message.type == "dictionary":
            dictionaries += message.body.size + unpacked
            if is_delta(metadata):
                unpacked += dictionaries
        yield TableSize(max(0, rows_of(metadata)), unpacked)


def parquet_size(body: bytes) -> TableSize:
    """The size of the Parquet file ``body``; 0 where it is malformed."""
    from pyarrow import parquet

    from registry.codecs.arrow_library import pa

    try:
        metadata = parquet.read_metadata(pa.BufferReader(body))
    except (pa.ArrowException, OSError, ValueError):
        return _NONE
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    unpacked = sum(max(0, int(group.total_byte_size)) for group in groups)
    return TableSize(max(0, int(metadata.num_rows)), unpacked)
