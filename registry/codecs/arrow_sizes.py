"""The size that an Arrow stream declares, read before it is unpacked."""

from collections.abc import Iterator
from typing import NamedTuple

from registry.codecs.arrow_messages import contents
from registry.errors import BodyMalformed


class TableSize(NamedTuple):
    """``unpacked``: the bytes that the table takes in addition to its body: of compressed parts, of
    parts that overlap, and of the copies of dictionaries that Arrow makes for each addition."""

    rows: int
    unpacked: int


def arrow_size(body: bytes) -> TableSize:
    """The size of the Arrow stream ``body``; 0 where it is malformed."""
    from registry.codecs.arrow_library import pa

    try:
        sizes = list(message_sizes(body))
    except (pa.ArrowException, OSError, ValueError, BodyMalformed):
        return TableSize(0, 0)
    return TableSize(sum(size.rows for size in sizes), sum(size.unpacked for size in sizes))


def message_sizes(body: bytes) -> Iterator[TableSize]:
    """The size of each message of the Arrow stream ``body``.

    Raises ArrowException, OSError, ValueError or BodyMalformed where it is malformed.
    """
    from registry.codecs.arrow_library import pa

    dictionaries = 0
    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(body)):
        if message.body is None:
            continue
        found = contents(message.metadata.to_pybytes(), memoryview(message.body))
        unpacked = found.unpacked
        if message.type == "dictionary":
            dictionaries += message.body.size + unpacked
            if found.is_delta:
                unpacked += dictionaries
        yield TableSize(found.rows, unpacked)
