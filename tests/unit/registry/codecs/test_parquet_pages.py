"""What the footer and the pages of a Parquet file declare, and refusals where they differ."""

import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from registry.codecs.parquet_body import (
    decode_parquet,
    parquet_batches,
    parquet_columns,
    parquet_size,
)
from registry.codecs.parquet_footer import Chunk, RowGroup
from registry.codecs.parquet_pages import PageHeaders
from registry.codecs.thrift_compact import I32
from registry.errors import BodyMalformed
from registry.signature import Column, Output, Signature
from tests.factories import NUMBERS
from tests.unit.registry.codecs.parquet_footers import (
    CHUNK_DATA_PAGE,
    CHUNK_DICTIONARY_PAGE,
    CHUNK_SIZES,
    CHUNK_UNPACKED,
    CHUNK_VALUES,
    FILE_GROUPS,
    FILE_ROWS,
    GROUP_CHUNKS,
    GROUP_ROWS,
    LIST,
    STRUCT,
    chunks,
    groups,
    with_footer,
)
from tests.unit.registry.codecs.varints import varint

MANY = 10_000


def written(rows=100, columns=NUMBERS.names, **options):
    sink = io.BytesIO()
    table = pa.table({name: np.zeros(rows) for name in columns})
    parquet.write_table(table, sink, compression="zstd", **options)
    return sink.getvalue()


def read_in_batches(body, signature, limit):
    return list(parquet_batches(io.BytesIO(body), signature, 10, limit))


def test_batches_of_a_row_group_share_the_texts_of_its_dictionary():
    """The dictionary would be decoded for each batch of some rows: quadratic in the row group."""
    sink = io.BytesIO()
    parquet.write_table(pa.table({"t": ["Ghent", None] * 20}), sink)
    texts = Signature((Column("t", "string", nullable=True),), Output("y", "number"))

    batches = read_in_batches(sink.getvalue(), texts, MANY)

    assert [batch.rows for batch in batches] == [10] * 4
    assert {id(text) for batch in batches for text in batch.columns["t"][::2]} == {
        id(batches[0].columns["t"][0])
    }


def declare(body, *, file=None, group=None, values=None, unpacked=None):
    """``body`` with other figures in its footer; ``group`` and ``values`` of the first group."""

    def change(footer):
        if file is not None:
            footer[FILE_ROWS][1] = file
        if group is not None:
            groups(footer)[0][GROUP_ROWS][1] = group
        for chunk in chunks(footer):
            if values is not None:
                chunk[CHUNK_VALUES][1] = values
            if unpacked is not None:
                chunk[CHUNK_UNPACKED][1] = unpacked

    return with_footer(body, change)


readers = pytest.mark.parametrize("decode", [decode_parquet, read_in_batches])


@readers
def test_a_file_with_a_rewritten_footer_is_read(decode):
    decode(declare(written(), file=100, group=100, values=100), NUMBERS, MANY)


@readers
@pytest.mark.parametrize("rows", [1, 99, 101, 10**6, 0, -1, 2**40])
@pytest.mark.parametrize(
    "places",
    [("file",), ("group",), ("values",), ("file", "group"), ("group", "values")],
    ids=" and ".join,
)
def test_a_file_that_declares_another_number_of_rows_is_malformed(decode, places, rows):
    body = declare(written(), **dict.fromkeys(places, rows))

    with pytest.raises(BodyMalformed):
        decode(body, NUMBERS, 2**50)


@readers
@pytest.mark.parametrize("rows", [1, 99, 101, -1])
def test_a_file_whose_pages_have_another_number_of_rows_is_malformed(decode, rows):
    with pytest.raises(BodyMalformed):
        decode(declare(written(), file=rows, group=rows, values=rows), NUMBERS, MANY)


@pytest.mark.parametrize("rows", [1, 101, -1])
def test_column_names_are_not_read_from_a_contradictory_footer(rows):
    with pytest.raises(BodyMalformed, match=f"declares {rows} rows, but its row groups declare"):
        parquet_columns(io.BytesIO(declare(written(), file=rows)))


# pyarrow ends the process that reads the metadata of a column with such statistics.
@readers
@pytest.mark.parametrize("levels", [2, 3], ids=["repetition", "definition"])
def test_statistics_of_another_size_than_the_schema_s_end_nothing(decode, levels):
    def change(footer):
        for chunk in chunks(footer):
            chunk[CHUNK_SIZES] = [STRUCT, {levels: [LIST, [6, 100, 0, 0, 0]]}]

    body = with_footer(written(), change)

    assert parquet_size(body, NUMBERS).rows == 100
    with pytest.raises(BodyMalformed, match="histogram size mismatch"):
        decode(body, NUMBERS, MANY)


@readers
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda footer: footer.pop(FILE_GROUPS), "has no field"),
        (lambda footer: footer.pop(FILE_ROWS), "has no field"),
        (lambda footer: groups(footer)[0].pop(GROUP_ROWS), "has no field"),
        (lambda footer: groups(footer)[0][GROUP_CHUNKS][1].pop(), "row group with 1 columns"),
        (lambda footer: chunks(footer)[0].pop(CHUNK_UNPACKED), "has no field"),
        (lambda footer: chunks(footer)[0].update({CHUNK_UNPACKED: [8, b"1"]}), "another type"),
        (lambda footer: chunks(footer)[0].update({CHUNK_UNPACKED: [6, -1]}), "out of range"),
    ],
    ids=["groups", "rows", "rows of a group", "columns", "no size", "a text", "a negative size"],
)
def test_a_footer_that_lacks_what_is_read_of_it_is_malformed(decode, change, message):
    with pytest.raises(BodyMalformed, match=message):
        decode(with_footer(written(), change), NUMBERS, MANY)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no footer"),
        (b"\x01\0\0\0PAR1", "no footer"),
        (b"\0\0\0\0PAR1", "truncated"),
        (b"\x19\xfc\xff\xff\xff\x7f" + b"\6\0\0\0PAR1", "too many values"),
        (b"\x19" * 2**16 + b"\0\0\1\0PAR1", "nested too deeply"),
    ],
    ids=["no bytes", "longer", "empty", "a list of 268 million structs", "lists in lists"],
)
def test_what_ends_in_no_footer_is_malformed(body, message):
    with pytest.raises(BodyMalformed, match=message):
        decode_parquet(body, NUMBERS, MANY)


@readers
@pytest.mark.parametrize("unpacked", [10, None], ids=["few bytes", "its bytes"])
def test_pages_that_unpack_to_more_than_declared_are_refused_before_they_are(decode, unpacked):
    body = written(2**21, use_dictionary=False)
    small = declare(body, file=10, group=10, values=10, unpacked=unpacked)
    usual = pa.default_memory_pool()
    watched = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(watched)
    try:
        with pytest.raises(BodyMalformed):
            decode(small, NUMBERS, MANY)
    finally:
        pa.set_memory_pool(usual)

    assert watched.max_memory() < 2**20


def test_pages_at_an_offset_that_only_some_readers_see_are_refused():
    """A reader that expects another type ignores the field, and reads the pages elsewhere."""
    harmless = page(10)

    def change(footer):
        for chunk in chunks(footer):
            chunk[CHUNK_DATA_PAGE][1] += len(harmless)
            later = {number: chunk.pop(number) for number in list(chunk) if number > 10}
            chunk.update({CHUNK_DICTIONARY_PAGE: [I32, 4], **later})

    body = written(2**20, use_dictionary=False)
    body = declare(body[:4] + harmless + body[4:], file=10, group=10, values=10)

    with pytest.raises(BodyMalformed, match="a field has another type"):
        decode_parquet(with_footer(body, change), NUMBERS, MANY)


def test_pages_may_not_unpack_to_more_than_what_memory_is_reserved_for():
    body = declare(written(), unpacked=2)

    assert parquet_size(body, NUMBERS).unpacked == 4
    with pytest.raises(BodyMalformed, match="declares 2 unpacked bytes"):
        decode_parquet(body, NUMBERS, MANY)


def test_only_the_columns_of_the_signature_are_counted():
    wide = written(columns=[*NUMBERS.names, *map(str, range(50))])

    assert parquet_size(wide, NUMBERS) == parquet_size(written(), NUMBERS)


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_text_encodings_without_a_declared_size_are_refused(encoding):
    texts = Signature((Column("t", "string"),), Output("y", "number"))
    sink = io.BytesIO()
    parquet.write_table(
        pa.table({"t": ["a", "ab"]}), sink, use_dictionary=False, column_encoding={"t": encoding}
    )

    with pytest.raises(BodyMalformed, match=rf"has the Parquet encoding {encoding}, .* PLAIN"):
        decode_parquet(sink.getvalue(), texts, MANY)


def test_a_name_with_a_dot_does_not_match_a_nested_column():
    dotted = Signature((Column("a.b", "number"),), Output("y", "number"))
    sink = io.BytesIO()
    parquet.write_table(pa.table({"a": [{"b": "x" * 99}] * 2, "a.b": [1.0, 2.0]}), sink)

    assert list(decode_parquet(sink.getvalue(), dotted, MANY).columns["a.b"]) == [1.0, 2.0]


def page(values):
    """The header of an empty data page."""
    details = b"\x15" + varint(values) + b"\x15\0\x15\0\x15\0\0"
    return b"\x15\0\x15\0\x15\0\x2c" + details + b"\0"


def unpacked(data, rows, size=2**40):
    group = RowGroup(rows, size, (Chunk(rows, size, 0, size),))
    return PageHeaders(lambda at, length: data(at)[:length]).unpacked(group, {"x": 0})


def test_the_pages_of_a_file_are_limited():
    with pytest.raises(BodyMalformed, match="more than 131072 pages"):
        unpacked(lambda _: page(0).ljust(512), 1)


@pytest.mark.parametrize(
    "header",
    [
        page(-1),
        page(2**31),
        b"\x15" + b"\xff" * 11,  # a number without an end
        b"\x15\0\x05\2\0" + page(1),  # a field that is there twice
        b"\x05" + varint(2**16 + 1) + b"\0" + page(1),  # a field whose number overflows
        b"\x1c" * 400,  # structs in structs
        b"\x18" + varint(2**31, signed=False),  # a text without an end
        b"\x19\x1c" + page(1),  # a list
        b"\0",
    ],
    ids=lambda header: header[:6].hex(),
)
def test_an_ambiguous_page_header_is_malformed(header):
    with pytest.raises(BodyMalformed):
        unpacked(lambda at: header[at:], 1, len(header))


@given(data=st.binary(max_size=100))
def test_any_bytes_are_a_header_or_malformed(data):
    try:
        unpacked(lambda at: data[at:], 1, len(data))
    except BodyMalformed:
        return
    assert len(data) >= len(page(1)) - 6
