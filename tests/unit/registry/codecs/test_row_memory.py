"""How much memory is reserved for a body before it is decoded."""

import io
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from registry.codecs.arrow_body import decode_arrow
from registry.codecs.arrow_sizes import TableSize, arrow_size
from registry.codecs.csv_pieces import most_rows as most_csv_rows
from registry.codecs.json_pieces import most_rows as most_json_rows
from registry.codecs.json_reply import JsonWriter
from registry.codecs.large_bodies import SMALL_BODY
from registry.codecs.parquet_body import parquet_size
from registry.codecs.predictions import Predictions
from registry.codecs.requests import ARROW, CSV, FORM, JSON, PARQUET, RequestReader
from registry.codecs.row_memory import RowMemory
from registry.errors import TooLarge
from registry.signature import Column, Output, Signature
from tests.factories import MIXED, NUMBERS

ROWS = 300
ROW = {"age": None, "visits": 7, "member": True, "city": "Ghent, Belgium"}
RECORDS = [ROW] * ROWS
LISTS = [list(ROW.values())] * ROWS
TABLE = pa.table({name: [ROW[name]] * ROWS for name in ROW})


def arrow(**options):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, TABLE.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(TABLE, max_chunksize=100)
    return sink.getvalue()


def packed():
    sink = io.BytesIO()
    parquet.write_table(TABLE, sink, row_group_size=100)
    return sink.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        {"instances": RECORDS},
        {"instances": LISTS},
        {"inputs": {name: [ROW[name]] * ROWS for name in ROW}},
        {"dataframe_split": {"columns": list(ROW), "data": LISTS}},
    ],
    ids=["records", "lists", "columns", "split"],
)
def test_commas_limit_the_number_of_json_rows(body):
    assert ROWS <= most_json_rows(json.dumps(body).encode(), MIXED) <= 2 * ROWS


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_limit_the_number_of_csv_rows(end):
    body = end.join(["x0,x1", *["1,2"] * ROWS]).encode()

    assert ROWS <= most_csv_rows(body, NUMBERS) <= ROWS + 2


def test_empty_lines_do_not_count_as_rows_of_many_columns():
    wide = Signature(tuple(Column(f"x{at}", "number") for at in range(1000)), Output("y", "number"))
    header = ",".join(wide.names).encode()

    assert most_csv_rows(header + b"\n" * 10**6, wide) < 1100


@pytest.mark.parametrize("options", [{}, {"compression": "zstd"}], ids=["plain", "compressed"])
def test_arrow_rows_are_counted_from_the_messages(options):
    size = arrow_size(arrow(**options))

    assert size.rows == ROWS
    assert (size.unpacked > 0) == bool(options)


def test_parquet_rows_are_counted_from_the_metadata():
    assert parquet_size(packed(), MIXED).rows == ROWS


@pytest.mark.parametrize("size", [arrow_size, lambda body: parquet_size(body, MIXED)])
def test_an_invalid_table_has_no_rows(size):
    assert size(b"no table at all") == TableSize(0, 0)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, json.dumps({"instances": RECORDS}).encode()),
        (CSV, b"age,visits,member,city\n" + b",7,true,Ghent\n" * ROWS),
        (ARROW, arrow()),
        (ARROW, arrow(compression="zstd")),
        (PARQUET, packed()),
    ],
)
def test_the_reserved_memory_is_enough_for_every_form(content_type, body):
    reader = RequestReader(MIXED)

    assert reader.cost(content_type, body) >= RowMemory(MIXED).of(
        ROWS, len(body), probabilities=False
    )
    assert reader.cost(content_type, body, probabilities=True) > reader.cost(content_type, body)
    assert reader.cost(content_type, body, with_inputs=True) > reader.cost(content_type, body)


def test_an_html_form_is_one_row():
    assert RequestReader(NUMBERS).cost(FORM, b"x0=1&x1=2") == RowMemory(NUMBERS).of(
        1, 9, probabilities=False
    )


def test_memory_for_the_reply_is_reserved():
    few = b"a\n" + b"1\n" * ROWS
    reply = JsonWriter("m", 1, NUMBERS).write(Predictions([1 / 3] * ROWS), single=False)
    nothing = RequestReader(NUMBERS).cost(CSV, b"a\n")

    assert len(reply) > 5 * len(few)
    assert RequestReader(NUMBERS).cost(CSV, few) - nothing > 2 * len(reply)


TEXTS = Signature((Column("t", "string"),), Output("y", "number"))
EURO, EMOJI = "\N{EURO SIGN}", "\N{GRINNING FACE}"


def text_body(content_type, first, **options):
    """A body of 500 texts of 1,000 characters, all ASCII but the first of each."""
    texts = [first.ljust(1000, "x")] * 500
    if content_type == CSV:
        return "\n".join(["t", *texts]).encode()
    return json.dumps({"instances": [[text] for text in texts]}, **options).encode()


def reserved(rows, body, text):
    """For ``body``, of which each byte takes ``text`` bytes as a part of a text."""
    return RowMemory(TEXTS).of(rows, len(body), text=text, probabilities=False)


@pytest.mark.parametrize("content_type", [JSON, CSV])
@pytest.mark.parametrize(("first", "each"), [("x", 1), ("\xe9", 1), (EURO, 2), (EMOJI, 4)])
def test_memory_for_texts_depends_on_the_widest_character(content_type, first, each):
    body = text_body(content_type, first, ensure_ascii=False)

    cost = RequestReader(TEXTS).cost(content_type, body)

    assert reserved(500, body, each) <= cost < reserved(500, body, each + 1)


@pytest.mark.parametrize(("first", "each"), [("\n", 1), (EURO, 2), (EMOJI, 4)])
def test_escaped_characters_count_by_their_width(first, each):
    body = text_body(JSON, first)

    assert body.isascii()
    cost = RequestReader(TEXTS).cost(JSON, body)
    assert reserved(500, body, each) <= cost < reserved(500, body, each + 1)


def test_escapes_are_found_at_any_position():
    head, escape = b'{"instances":[["', b"\\ud83d\\ude00"
    starts = range(2**16 - len(head) - len(escape), 2**16 - len(head) + 2)
    bodies = [(head + b"x" * start + escape).ljust(2**18, b"x") for start in starts]

    for body in bodies:
        assert RequestReader(TEXTS).cost(JSON, body) == reserved(1, body, 4)


def test_memory_for_arrow_texts_includes_the_dictionary():
    table = pa.table({"t": ["x" * 1000] * 500})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body = sink.getvalue()

    assert RequestReader(TEXTS).cost(ARROW, body) == reserved(500, body, 3 + 4)


def test_a_dictionary_counts_again_for_each_addition():
    texts, sink = ["x" * 10_000], io.BytesIO()
    schema = pa.schema({"t": pa.dictionary(pa.int32(), pa.string())})
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        for row in range(11):
            texts.append(str(row))
            writer.write_batch(
                pa.record_batch([pa.array(texts).dictionary_encode()], schema=schema)
            )
    body = sink.getvalue()

    assert 100_000 < arrow_size(body).unpacked < 110_000
    assert len(decode_arrow(body, TEXTS, 10_000).columns["t"]) == sum(range(2, 13))
    with pytest.raises(TooLarge):
        decode_arrow(body, TEXTS, 6_000)


@pytest.mark.parametrize("other", ["x", EMOJI])
def test_memory_for_numbers_does_not_depend_on_characters(other):
    body = f"x0,x1,{other}\n".encode() + b"1,2,3\n" * SMALL_BODY

    assert RequestReader(NUMBERS).cost(CSV, body) == RowMemory(NUMBERS).of(
        SMALL_BODY + 2, len(body), probabilities=False
    )


def test_small_bodies_are_assumed_to_have_wide_characters():
    assert RequestReader(TEXTS).cost(CSV, b"t\nx\n") == reserved(3, b"t\nx\n", 4)
