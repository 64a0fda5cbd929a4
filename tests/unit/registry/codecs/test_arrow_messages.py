"""What the messages of an Arrow stream declare."""

import flatbuffers
import numpy as np
import pyarrow as pa
import pytest

from registry.codecs.arrow_body import decode_arrow
from registry.codecs.arrow_sizes import TableSize, arrow_size
from registry.errors import BodyMalformed
from tests.factories import NUMBERS

MANY = 10_000
ROWS = 1000
V4, V5 = 3, 4
END = b"\xff\xff\xff\xff\0\0\0\0"


def structs(builder, *pairs):
    """A vector of structs of two longs."""
    builder.StartVector(16, len(pairs), 8)
    for first, second in reversed(pairs):
        builder.PrependInt64(second)
        builder.PrependInt64(first)
    return builder.EndVector()


def key_values(builder, **pairs):
    tables = []
    for key, value in pairs.items():
        names = [builder.CreateString(key.replace("__", ":")), builder.CreateString(value)]
        builder.StartObject(2)
        for slot, name in enumerate(names):
            builder.PrependUOffsetTRelativeSlot(slot, name, 0)
        tables.append(builder.EndObject())
    builder.StartVector(4, len(tables), 4)
    for table in tables:
        builder.PrependUOffsetTRelative(table)
    return builder.EndVector()


def message(builder, version, kind, header, *, body=0, custom=0):
    """A message without its body, of which ``body`` is the length."""
    builder.StartObject(5)
    builder.PrependInt16Slot(0, version, 0)
    builder.PrependUint8Slot(1, kind, 0)
    builder.PrependUOffsetTRelativeSlot(2, header, 0)
    builder.PrependInt64Slot(3, body, 0)
    builder.PrependUOffsetTRelativeSlot(4, custom, 0)
    builder.Finish(builder.EndObject())
    content = bytes(builder.Output())
    content += bytes(-len(content) % 8)
    return END[:4] + len(content).to_bytes(4, "little") + content


def stream(version, body, *places, metadata=None, schema=None):
    """``ROWS`` rows of two numbers, of which ``places`` are the offset and length in ``body``.
    ``schema``: the message before, if not that of ``NUMBERS``."""
    builder = flatbuffers.Builder()
    custom = key_values(builder, **metadata) if metadata else 0
    nodes = structs(builder, *[(ROWS, 0)] * len(places))
    buffers = structs(builder, *(each for place in places for each in ((0, 0), place)))
    builder.StartObject(4)
    builder.PrependInt64Slot(0, ROWS, 0)
    builder.PrependUOffsetTRelativeSlot(1, nodes, 0)
    builder.PrependUOffsetTRelativeSlot(2, buffers, 0)
    batch = builder.EndObject()
    if schema is None:
        schema = pa.schema({name: pa.float64() for name in NUMBERS.names}).serialize().to_pybytes()
    return schema + message(builder, version, 3, batch, body=len(body), custom=custom) + body + END


def packed(size):
    """The part of a compressed body that unpacks to ``size`` zeros."""
    content = pa.compress(bytes(size), codec="zstd", asbytes=True)
    return size.to_bytes(8, "little") + content


COMPRESSED = {"ARROW__experimental_compression": "zstd"}


def test_compression_from_before_arrow_1_is_refused():
    part = packed(8 * ROWS)
    aligned = part + bytes(-len(part) % 8)
    places = [(0, len(part)), (len(aligned), len(part))]
    body = stream(V4, aligned * 2, *places, metadata=COMPRESSED)

    assert pa.ipc.open_stream(body).read_all().num_rows == ROWS  # pyarrow unpacks it
    with pytest.raises(BodyMalformed, match="Write the metadata version V5"):
        decode_arrow(body, NUMBERS, MANY)
    assert arrow_size(body) == TableSize(0, 0)


@pytest.mark.parametrize(
    ("version", "metadata"), [(V4, None), (V5, None), (V5, COMPRESSED)], ids=str
)
def test_a_message_that_is_not_compressed_is_read_in_each_version(version, metadata):
    numbers = np.arange(2.0 * ROWS).tobytes()
    places = [(0, 8 * ROWS), (8 * ROWS, 8 * ROWS)]

    batch = decode_arrow(stream(version, numbers, *places, metadata=metadata), NUMBERS, MANY)

    assert list(batch.columns["width"]) == list(range(ROWS, 2 * ROWS))


def test_overlapping_buffers_are_counted_as_often_as_they_are_used():
    body = stream(V5, bytes(8 * ROWS), (0, 8 * ROWS), (0, 8 * ROWS))

    assert arrow_size(body) == TableSize(ROWS, 8 * ROWS)


@pytest.mark.parametrize("place", [(-8, 8), (0, -8)])
def test_a_buffer_with_a_negative_offset_is_malformed(place):
    with pytest.raises(BodyMalformed):
        decode_arrow(stream(V5, bytes(16 * ROWS), (0, 8 * ROWS), place), NUMBERS, MANY)
