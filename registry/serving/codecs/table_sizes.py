"""What Arrow streams and Parquet files say they hold, before they are unpacked."""

from typing import Any, NamedTuple

from registry.serving.codecs.arrow_messages import rows_of, unpacked_size


class TableSize(NamedTuple):
    """``unpacked``: the bytes of what is compressed in the table."""

    rows: int
    unpacked: int


_NONE = TableSize(0, 0)


def arrow_size(body: bytes) -> TableSize:
    """The size of the Arrow stream ``body``; 0 where it is none."""
    from registry.serving.codecs.arrow_library import pa

    try:
        messages = pa.ipc.MessageReader.open_stream(pa.py_buffer(body))
        sizes = [message_size(message) for message in messages]
    except (pa.ArrowException, OSError, ValueError):
        return _NONE
    return TableSize(sum(size.rows for size in sizes), sum(size.unpacked for size in sizes))


def message_size(message: Any) -> TableSize:
    """The size of one message of an Arrow stream. Raises ValueError where it is malformed."""
    if message.body is None:
        return _NONE
    metadata = message.metadata.to_pybytes()
    return TableSize(max(0, rows_of(metadata)), unpacked_size(metadata, memoryview(message.body)))


def parquet_size(body: bytes) -> TableSize:
    """The size of the Parquet file ``body``; 0 where it is none."""
    from pyarrow import parquet

    from registry.serving.codecs.arrow_library import pa

    try:
        metadata = parquet.read_metadata(pa.BufferReader(body))
    except (pa.ArrowException, OSError, ValueError):
        return _NONE
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    unpacked = sum(max(0, int(group.total_byte_size)) for group in groups)
    return TableSize(max(0, int(metadata.num_rows)), unpacked)
