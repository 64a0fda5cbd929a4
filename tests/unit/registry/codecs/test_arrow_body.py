"""Arrow streams and Parquet files."""

import decimal
from contextlib import suppress

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from registry.codecs.arrow_body import decode_arrow
from registry.codecs.arrow_columns import to_batch
from registry.codecs.parquet_body import decode_parquet
from registry.codecs.table_checks import distinct_dictionaries
from registry.errors import BodyMalformed, InputRefused, RegistryError, TooLarge
from registry.signature import Column, Output, Signature
from tests.factories import MIXED, NUMBERS
from tests.unit.registry.codecs.test_json_body import rows_of

MANY = 10_000


def arrow(table, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, **options) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue().to_pybytes()


def as_parquet(table, **options):
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, **options)
    return sink.getvalue().to_pybytes()


both = pytest.mark.parametrize(
    ("decode", "write"), [(decode_arrow, arrow), (decode_parquet, as_parquet)], ids=["arrow", "pq"]
)


def people(**columns):
    whole = {
        "city": ["Ghent", None, "Turin"],
        "member": [True, False, True],
        "visits": pa.array([4, 5, 6], pa.int32()),
        "age": [31.5, None, 70.0],
        "shoe_size": [43, 38, 41],
    }
    return pa.table({**whole, **columns})


def refusal(decode, body, signature=MIXED):
    with pytest.raises(InputRefused) as refused:
        decode(body, signature, MANY)
    return refused.value


@both
def test_columns_of_an_arrow_table_are_matched_by_name_with_nulls(decode, write):
    batch = decode(write(people()), MIXED, MANY)

    assert rows_of(batch) == [
        [31.5, 4.0, 1.0, "Ghent"],
        [None, 5.0, 0.0, None],
        [70.0, 6.0, 1.0, "Turin"],
    ]
    assert batch.single is False


@both
def test_a_pandas_frame_is_read_with_nan_as_null(decode, write):
    frame = pd.DataFrame(
        {
            "age": [31.5, np.nan],
            "visits": [4, 5],
            "member": [True, False],
            "city": pd.Categorical(["Ghent", None]),
        }
    )

    batch = decode(write(pa.Table.from_pandas(frame)), MIXED, MANY)

    assert rows_of(batch) == [[31.5, 4.0, 1.0, "Ghent"], [None, 5.0, 0.0, None]]


@both
@pytest.mark.parametrize(
    "ages",
    [
        pa.array([1, 2, None], pa.uint64()),
        pa.array([1, 2, None], pa.int8()),
        pa.array([1, 2, None], pa.float32()),
        pa.array(np.array([1, 2, np.nan], np.float16)),
        pa.array([decimal.Decimal("1.0"), decimal.Decimal("2.0"), None], pa.decimal128(5, 2)),
        pa.array([decimal.Decimal("1.0"), decimal.Decimal("2.0"), None], pa.decimal256(60, 2)),
    ],
    ids=lambda array: str(array.type),
)
def test_every_numeric_type_is_a_number(decode, write, ages):
    batch = decode(write(people(age=ages)), MIXED, MANY)

    assert [row[0] for row in rows_of(batch)] == [1.0, 2.0, None]


@both
@pytest.mark.parametrize(
    "cities",
    [
        pa.array(["a", "b", None], pa.large_string()),
        pa.array(["a", "b", None]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.uint8()), pa.array(["a", "b"])),
        pa.chunked_array([["a"], ["b", None]]),
    ],
    ids=lambda array: str(array.type),
)
def test_every_string_type_is_a_string(decode, write, cities):
    batch = decode(write(people(city=cities)), MIXED, MANY)

    assert [row[3] for row in rows_of(batch)] == ["a", "b", None]


@both
def test_a_dictionary_of_empty_texts_has_no_bytes(decode, write):
    cities = pa.array(["", "", None]).dictionary_encode()

    batch = decode(write(people(city=cities)), MIXED, MANY)

    assert [row[3] for row in rows_of(batch)] == ["", "", None]


@pytest.mark.parametrize(
    "cities",
    [
        pa.array(["Ghent", "Ghent", "Ghent"]),
        pa.array(["Ghent", "Ghent", "Ghent"]).dictionary_encode(),
    ],
    ids=["texts", "dictionary"],
)
def test_a_text_repeated_across_batches_is_stored_once(cities):
    batch = decode_arrow(arrow(people(city=cities)), MIXED, MANY)

    assert len({id(text) for text in batch.columns["city"]}) == 1


def test_columns_and_batches_that_share_a_dictionary_share_its_texts():
    texts = pa.array([f"city {index}" for index in range(100)])
    indices = pa.array([3, 3, 3], pa.int8())
    shared = pa.DictionaryArray.from_arrays(indices, texts)
    both = Signature((Column("a", "string"), Column("b", "string")), Output("y", "number"))
    table = pa.table({"a": pa.chunked_array([shared] * 3), "b": pa.chunked_array([shared] * 3)})

    assert distinct_dictionaries(table) == [texts]
    columns = to_batch(table, both).columns
    assert len({id(text) for text in [*columns["a"], *columns["b"]]}) == 1


def test_a_dictionary_is_checked_once_however_many_batches_use_it():
    cities = pa.array(["a", "b"]).dictionary_encode()
    table = people().select(["age"]).slice(0, 2).append_column("city", cities)
    batches = pa.ipc.open_stream(arrow(pa.concat_tables([table] * 50))).read_all()

    assert batches["city"].num_chunks == 50
    assert len(distinct_dictionaries(batches)) == 1


@pytest.mark.parametrize("spoil", ["text", "index"])
def test_a_dictionary_with_an_invalid_text_or_index_is_malformed(spoil):
    texts = pa.array([b"\xff" if spoil == "text" else b"ok", b"ok"], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 2, texts.buffers())
    indices = pa.array([0, 1, 2 if spoil == "index" else 0], pa.int8())
    cities = pa.DictionaryArray.from_arrays(indices, texts, safe=False)

    with pytest.raises(BodyMalformed):
        decode_arrow(arrow(people(city=cities)), MIXED, MANY)


def test_unused_columns_are_not_decoded():
    bad = pa.array([b"\xff"] * 3, pa.binary())
    other = pa.Array.from_buffers(pa.string(), 3, bad.buffers())

    batch = decode_arrow(arrow(people(other=other)), MIXED, MANY)

    assert batch.rows == 3


def test_each_batch_may_have_a_dictionary_of_its_own():
    first, second = pa.array(["a", "b"]).dictionary_encode(), pa.array(["c"]).dictionary_encode()

    batch = decode_arrow(arrow(people(city=pa.chunked_array([first, second]))), MIXED, MANY)

    assert list(batch.columns["city"]) == ["a", "b", "c"]


@both
def test_a_column_of_nulls_is_accepted_where_null_is_allowed(decode, write):
    nulls = pa.nulls(3)

    batch = decode(write(people(age=nulls, city=nulls)), MIXED, MANY)
    refused = refusal(decode, write(people(member=nulls)))

    assert [(row[0], row[3]) for row in rows_of(batch)] == [(None, None)] * 3
    assert refused.faults[0].at == "rows[0].member"


@both
@pytest.mark.parametrize(
    ("column", "cells", "at"),
    [
        ("age", ["x", "y", "z"], "age"),
        ("age", [True, False, True], "age"),
        ("age", pa.array([1, 2, 3], pa.timestamp("s")), "age"),
        ("age", [1.0, float("inf"), 2.0], "rows[1].age"),
        ("visits", [1.0, 2.0, 2.5], "rows[2].visits"),
        ("visits", [1, None, 2], "rows[1].visits"),
        ("member", [1, 0, 1], "member"),
        ("city", [1, 2, 3], "city"),
        ("city", pa.array([1, 2, 3]).dictionary_encode(), "city"),
        ("city", [["a"], ["b"], ["c"]], "city"),
    ],
)
def test_invalid_cells_are_named(decode, write, column, cells, at):
    assert [f.at for f in refusal(decode, write(people(**{column: cells}))).faults] == [at]


@both
def test_missing_duplicate_and_empty_columns_are_refused(decode, write):
    doubled = people()
    doubled = doubled.append_column("age", doubled["age"])

    assert refusal(decode, write(people().drop_columns(["city"]))).faults[0].at == "city"
    assert refusal(decode, write(people().slice(0, 0))).detail.startswith("The batch is empty")
    assert "twice" in refusal(decode_arrow, arrow(doubled)).detail


@both
def test_more_cells_than_the_limit_are_refused_whatever_the_body_size(decode, write):
    repeated = pa.array([1.0]).take(pa.array(np.zeros(100_000, np.int64)))
    body = write(pa.table({"length": repeated, "width": repeated}))

    with pytest.raises(TooLarge):
        decode(body, NUMBERS, MANY)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()])
def test_a_long_repeated_text_is_stored_once(kind):
    """16 MB, if each were written out; read as one."""
    many = pa.chunked_array([pa.array(["x" * 200_000], kind)] * 80)
    table = pa.table({"city": many, "age": [1.0] * 80, "member": [True] * 80, "visits": [1] * 80})
    before = pa.total_allocated_bytes()

    with suppress(InputRefused):  # bytes are no text
        batch = decode_parquet(as_parquet(table), MIXED, MANY * 10)
        assert len({id(text) for text in batch.columns["city"]}) == 1

    assert pa.total_allocated_bytes() - before < 2**21


def test_a_column_of_lists_is_refused_before_it_is_read():
    cells = pa.chunked_array([pa.array([["x" * 200_000]])] * 80)
    table = pa.table({"city": cells, "age": [1.0] * 80, "member": [True] * 80, "visits": [1] * 80})

    error = refusal(decode_parquet, as_parquet(table))

    assert [fault.at for fault in error.faults] == ["city"]


@both
def test_nulls_that_take_no_bytes_are_counted(decode, write):
    nothing = pa.table({"length": pa.nulls(100_000), "width": pa.nulls(100_000)})

    with pytest.raises(TooLarge):
        decode(write(nothing), NUMBERS, MANY)


@both
def test_text_that_is_not_utf_8_is_malformed(decode, write):
    bad = pa.Array.from_buffers(
        pa.string(), 3, pa.array([b"a", b"\xff", b"c"], pa.binary()).buffers()
    )

    with pytest.raises(BodyMalformed):
        decode(write(people(city=bad)), MIXED, MANY)


def test_an_offset_outside_the_body_is_malformed():
    # Written as the offsets 0, 3, 6, 9, which stand in the body as they are.
    body = arrow(people(city=["abc", "def", "ghi"]))
    offsets = np.array([0, 3, 6], np.int32).tobytes()
    assert body.count(offsets) == 1

    with pytest.raises(BodyMalformed):
        decode_arrow(
            body.replace(offsets, np.array([0, 2**30, 6], np.int32).tobytes()), MIXED, MANY
        )


@both
@given(data=st.data())
def test_a_damaged_table_is_read_or_refused(decode, write, data):
    body = bytearray(write(people()))
    if data.draw(st.booleans()):
        del body[data.draw(st.integers(0, len(body) - 1)) :]
    for _ in range(data.draw(st.integers(0, 3))):
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(RegistryError):
        decode(bytes(body), MIXED, MANY)


@both
@given(body=st.binary(max_size=100))
def test_any_bytes_are_malformed(decode, write, body):
    with pytest.raises(BodyMalformed):
        decode(body, MIXED, MANY)


@pytest.mark.parametrize("rows_each", [2, 100], ids=["several batches", "one batch"])
def test_doubles_are_read_alike_in_one_batch_and_in_several(rows_each):
    """Those of one small batch are converted in one call."""
    signature = Signature(
        inputs=(
            Column("first", "number", nullable=True),
            Column("second", "number", nullable=False),
        ),
        output=Output("regression", "number"),
    )
    first, second = [None, 1.5, -0.0, 7.0], [2.5, float(2**53), 5e-324, 1.0]
    table = pa.table({"first": pa.array(first, pa.float64()), "second": second})

    def written(table):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks(), max_chunksize=rows_each)
        return sink.getvalue().to_pybytes()

    batch = decode_arrow(written(table), signature, MANY)

    assert batch.columns["first"].tobytes() == np.array([np.nan, *first[1:]]).tobytes()
    assert batch.columns["second"].tobytes() == np.array(second).tobytes()
    for name, cell in (("first", np.inf), ("second", None), ("second", np.nan)):
        cells = pa.array([cell, *table.column(name).to_pylist()[1:]], pa.float64())
        wrong = table.set_column(table.schema.get_field_index(name), name, cells)
        refused = refusal(decode_arrow, written(wrong), signature)
        assert [fault.at for fault in refused.faults] == [f"rows[0].{name}"]


TEXTS = Signature((Column("text", "string", nullable=False),), Output("y", "number"))


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize(
    "texts",
    [
        ["Ghent"],
        ["", "é", "🏠", "", "a\u0000b"],
        ["", ""],
        ["x" * 200, "x" * 200, "x"],
        [f"text {at % 3_000}" for at in range(4_096)],
        [f"text {at % 3_000}" for at in range(4_097)],
    ],
    ids=["one", "wide", "empty", "long", "short column", "long column"],
)
def test_texts_are_read_from_columns_of_any_length_and_any_place(texts, type_):
    whole = pa.table({"text": pa.array([*texts, *texts, "behind"], type_)})

    for first in (0, len(texts)):
        batch = to_batch(whole.slice(first, len(texts)), TEXTS)
        assert batch.columns["text"].tolist() == texts
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, whole.schema) as writer:
        writer.write_table(whole.slice(1, len(texts)))
    batch = decode_arrow(sink.getvalue().to_pybytes(), TEXTS, MANY)
    assert batch.columns["text"].tolist() == [*texts, *texts][1 : len(texts) + 1]


def test_a_null_among_texts_is_refused_where_none_is_allowed():
    error = refusal(decode_arrow, arrow(pa.table({"text": ["Ghent", None]})), TEXTS)

    assert error.faults[0].at == "rows[1].text"
    assert error.faults[0].message == "null is not allowed here"


def test_short_columns_of_repeated_texts_share_their_strings():
    table = pa.table({"text": ["Ghent", "Turin"] * 500})

    assert len(set(map(id, to_batch(table, TEXTS).columns["text"]))) == 2
