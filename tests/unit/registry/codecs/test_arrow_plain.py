"""Plain Arrow streams are read without Arrow, with the same batches and the same refusals."""

import struct
from array import array

import flatbuffers
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.codecs import compiled_rows
from registry.codecs.arrow_body import ArrowReader, decode_arrow
from registry.codecs.arrow_layout import Layout
from registry.codecs.arrow_plain import MOST_CELLS, plain_form
from registry.codecs.arrow_sizes import arrow_size
from registry.errors import BodyMalformed, InputRefused, TooLarge
from registry.signature import Column, Signature
from tests import factories
from tests.unit.registry.codecs.generated_bodies import OUTPUT
from tests.unit.registry.codecs.test_arrow_messages import END, V5, message, stream
from tests.unit.registry.codecs.test_compiled_rows import exact, outcome

MANY = 10**6
EACH = Signature(
    (
        Column("age", "number", nullable=True),
        Column("visits", "integer", nullable=True),
        Column("member", "boolean", nullable=True),
        Column("city", "string", nullable=True),
    ),
    OUTPUT,
)
WHOLE = Signature(tuple(Column(c.name, c.type, nullable=False) for c in EACH.inputs), OUTPUT)
VISITS = Signature((Column("visits", "integer", nullable=False),), OUTPUT)
NULLABLE = Signature((Column("visits", "integer", nullable=True),), OUTPUT)
FLOATS = [pa.float64(), pa.float32()]
WHOLE_NUMBERS = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
]
NUMBERS = FLOATS + WHOLE_NUMBERS
pytestmark = pytest.mark.skipif(not compiled_rows.AVAILABLE, reason="there is no C compiler")


def written(table, **options):
    """A stream of one batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, **options) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def form_of(body, signature=EACH):
    return plain_form(body, signature)


def people(rows=3, **columns):
    whole = {
        "age": pa.array(np.linspace(0.0, 99.0, rows)),
        "visits": pa.array(np.arange(rows), pa.int32()),
        "member": pa.array([row % 3 == 0 for row in range(rows)]),
        "city": pa.array([("Ghent", "Turin", "")[row % 3] for row in range(rows)]),
    }
    return pa.table({**whole, **columns})


def a_number(type_):
    if pa.types.is_floating(type_):
        return st.floats(width=type_.bit_width)
    signed = pa.types.is_signed_integer(type_)
    low, high = (-(2 ** (type_.bit_width - 1)), 2 ** (type_.bit_width - 1) - 1)
    return st.integers(low if signed else 0, high if signed else 2**type_.bit_width - 1)


@st.composite
def tables(draw):
    """A table of any columns of ``EACH``, in any order and of any type that fits, with others."""
    rows = draw(st.integers(1, 20))

    def cells(each):
        return st.lists(
            each | st.none() if draw(st.booleans()) else each, min_size=rows, max_size=rows
        )

    number, integer, other = (draw(st.sampled_from(NUMBERS)) for _ in range(3))
    texts = st.text(st.characters(codec="utf-8"), max_size=4)
    text = draw(st.sampled_from([pa.string(), pa.large_string()]))
    columns = {
        "age": pa.array(draw(cells(a_number(number))), number),
        "visits": pa.array(draw(cells(a_number(integer))), integer),
        "member": pa.array(draw(cells(st.booleans())), pa.bool_()),
        "city": pa.array(draw(cells(texts)), text),
        "other": pa.array(draw(cells(a_number(other))), other),
        "note": pa.array(draw(cells(texts)), text),
    }
    order = draw(st.permutations(sorted(columns)))
    left_out = draw(st.sets(st.sampled_from(["other", "note"])))
    return pa.table({name: columns[name] for name in order if name not in left_out})


@given(tables(), st.sampled_from([EACH, WHOLE]))
def test_a_plain_stream_is_read_as_by_arrow(table, signature):
    body, reader = written(table), ArrowReader(signature)
    expected = outcome(lambda body: decode_arrow(body, signature, MANY), body)
    assert outcome(lambda body: reader.read(body, MANY), body) == expected
    assert outcome(lambda body: reader.read(body, MANY), body) == expected
    assert reader.size(body) == arrow_size(body)
    if expected[0] is not InputRefused:
        assert exact(form_of(body, signature).read(body, MANY)) == expected


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 64, 1000])
def test_batches_of_any_length_have_one_form(rows):
    nulls = [None if row % 2 else row for row in range(rows)]
    table = people(rows, visits=pa.array(nulls, pa.int32()))

    batch = form_of(written(people())).read(written(table), MANY)

    assert exact(batch) == exact(decode_arrow(written(table), EACH, MANY))


def test_a_part_of_a_table_is_read_from_its_own_start():
    body = written(people(100).slice(13, 20))

    assert exact(form_of(written(people())).read(body, MANY)) == exact(
        decode_arrow(body, EACH, MANY)
    )


def test_a_nan_that_signals_is_null():
    signature = Signature((Column("age", "number", nullable=True),), OUTPUT)
    for type_, bits in (("<f4", 0x7FA00000), ("<f8", 0x7FF4 << 48)):
        number = np.frombuffer(bits.to_bytes(int(type_[2]), "little"), type_)
        body, reader = written(pa.table({"age": pa.array(number)})), ArrowReader(signature)

        for _ in range(2):
            assert np.isnan(reader.read(body, MANY).columns["age"]).all()


@pytest.mark.parametrize("type_", WHOLE_NUMBERS, ids=str)
def test_the_ends_of_each_type_are_read(type_):
    sign, bits = pa.types.is_signed_integer(type_), type_.bit_width
    cells = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if sign else [0, 2**bits - 1]
    body = written(pa.table({"visits": pa.array(cells, type_)}))

    assert form_of(body, VISITS).read(body, MANY).columns["visits"].tolist() == list(
        map(float, cells)
    )


def test_streams_of_another_schema_have_another_form():
    plain, other = written(people()), written(people(visits=pa.array([1.0, 2.0, 3.0])))

    assert form_of(plain, VISITS).rows(other) == 0
    assert form_of(plain, VISITS).read(other, MANY) is None


def test_a_reader_keeps_the_forms_of_several_clients():
    reader = ArrowReader(VISITS)
    bodies = [written(pa.table({"visits": pa.array([4, 5], type_)})) for type_ in NUMBERS]

    for body in bodies * 2:
        assert reader.read(body, MANY).columns["visits"].tolist() == [4.0, 5.0]
        assert reader.size(body) == arrow_size(body)


V4_OPTIONS = pa.ipc.IpcWriteOptions(metadata_version=pa.ipc.MetadataVersion.V4)


def two_batches():
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, people().schema) as writer:
        writer.write_table(people(), max_chunksize=2)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    "body",
    [
        two_batches(),
        written(people(), options=pa.ipc.IpcWriteOptions(compression="zstd")),
        written(people(), options=pa.ipc.IpcWriteOptions(use_legacy_format=True)),
        written(people(), options=V4_OPTIONS),
        written(people().replace_schema_metadata({"note": "x" * 2**16})),
        written(people(visits=pa.array([4, 5, 6]).dictionary_encode())),
        written(people(other=pa.array(["a", "b", "a"]).dictionary_encode())),
        written(people(other=pa.array([[1], [2], [3]]))),
        written(people(other=pa.array(["a", "b", "c"], pa.string_view()))),
        written(people(other=pa.nulls(3))),
        written(people(other=pa.array([1, 2, 3], pa.timestamp("s")))),
    ],
    ids=[
        "two batches",
        "compressed",
        "old",
        "V4",
        "long metadata",
        "dictionary",
        "dictionary beside",
        "lists",
        "views",
        "nulls only",
        "times",
    ],
)
def test_streams_that_are_not_plain_are_left_to_arrow(body):
    form = form_of(body, VISITS)

    assert form is None or form.read(body, MANY) is None


@pytest.mark.parametrize("type_", ["date", "string"])
def test_columns_that_arrow_has_to_convert_are_left_to_it(type_):
    signature = Signature((Column("day", type_, nullable=True),), OUTPUT)
    days = pa.table({"day": pa.array(["2026-11-25", None])})

    form = form_of(written(days), signature)

    assert (form is None) == (type_ == "date")


def big_endian_schema():
    """The schema of ``visits``, a column of 64-bit integers that begin with their highest byte."""
    builder = flatbuffers.Builder()
    name = builder.CreateString("visits")
    builder.StartVector(4, 0, 4)
    children = builder.EndVector()
    builder.StartObject(2)
    builder.PrependInt32Slot(0, 64, 0)
    builder.PrependBoolSlot(1, True, False)
    integer = builder.EndObject()
    builder.StartObject(6)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    builder.PrependUint8Slot(2, 2, 0)
    builder.PrependUOffsetTRelativeSlot(3, integer, 0)
    builder.PrependUOffsetTRelativeSlot(5, children, 0)
    field = builder.EndObject()
    builder.StartVector(4, 1, 4)
    builder.PrependUOffsetTRelative(field)
    fields = builder.EndVector()
    builder.StartObject(2)
    builder.PrependInt16Slot(0, 1, 0)
    builder.PrependUOffsetTRelativeSlot(1, fields, 0)
    schema = builder.EndObject()
    return message(builder, V5, 1, schema)


def test_streams_of_the_other_byte_order_are_left_to_arrow():
    content = struct.pack(">1000q", *range(1000))
    body = big_endian_schema() + stream(V5, content, (0, len(content)), schema=b"")
    reader = ArrowReader(VISITS)

    for _ in range(2):
        assert reader.read(body, MANY).columns["visits"].tolist() == list(range(1000))


def same(form, body, signature=EACH):
    """Whether a form reads ``body`` as Arrow does, or leaves it to Arrow."""
    batch = form.read(body, MANY)
    return batch is None or exact(batch) == outcome(
        lambda body: decode_arrow(body, signature, MANY), body
    )


def test_a_damaged_stream_is_read_as_by_arrow_or_left_to_it():
    body = written(people(9, visits=pa.array([None, *range(8)], pa.int32())))
    form, metadata = form_of(body), Layout.of(body).start

    for place in range(len(body)):
        for flipped in (1, 128, 255) if place < metadata else (1, 255):
            damaged = body[:place] + bytes([body[place] ^ flipped]) + body[place + 1 :]
            assert same(form, damaged), f"byte {place} with {flipped}"
    for end in range(len(body)):
        assert same(form, body[:end])
        assert same(form, body + body[:end])


def test_a_form_of_a_stream_with_odd_metadata_reads_others_as_arrow_does():
    body, other = (
        written(pa.table({"visits": pa.array(cells, pa.int32()), "more": pa.array(cells)}))
        for cells in ([4, None, 6], [*range(90), None])
    )
    forms = 0
    for place in range(Layout.of(body).start):
        for changed in {1, 4, 8, 16, 24, 128, body[place] + 4, body[place] + 8}:
            odd = body[:place] + bytes([changed % 256]) + body[place + 1 :]
            if isinstance(outcome(lambda b: decode_arrow(b, NULLABLE, MANY), odd)[0], type):
                continue
            form = form_of(odd, NULLABLE)
            if form is not None:
                forms += 1
                numbers = odd[: len(form.model)] + other[len(form.model) :]
                for sent in (odd, body, other, numbers):
                    assert same(form, sent, NULLABLE), f"byte {place} is {changed}"
    assert forms > 100


def test_numbers_that_are_part_of_the_structure_give_no_layout():
    body = written(pa.table({"visits": pa.array([4, 5]), "other": pa.array([6, 7])}))
    layout = Layout.of(body)
    message = layout.start - int.from_bytes(body[_end_of_schema(body) + 4 :][:4], "little")
    table = message + struct.unpack_from("<I", body, message)[0]
    header = table + struct.unpack_from("<H", body, _slots_of(body, table) + 4 + 2 * 2)[0]
    batch = header + struct.unpack_from("<I", body, header)[0]
    slots = _slots_of(body, batch)
    size = struct.unpack_from("<H", body, slots)[0]
    # The slots of the batch as the places of the buffers of a column that is not read.
    moved = bytearray(body)
    place = layout.numbers.buffers + 2 * 16
    moved[place : place + size] = body[slots : slots + size]
    struct.pack_into("<i", moved, batch, batch - place)

    assert decode_arrow(bytes(moved), VISITS, MANY).columns["visits"].tolist() == [4, 5]
    assert Layout.of(bytes(moved)) is None


def _end_of_schema(body):
    return 8 + int.from_bytes(body[4:8], "little")


def _slots_of(body, table):
    return table - struct.unpack_from("<i", body, table)[0]


def test_a_batch_with_more_columns_than_its_schema_is_left_to_arrow():
    body = stream(V5, bytes(24 * 1000), (0, 8000), (8000, 8000), (16000, 8000))

    assert decode_arrow(body, factories.NUMBERS, MANY).rows == 1000
    assert form_of(body, factories.NUMBERS) is None


def changed(body, place, type_, *values):
    content = bytearray(body)
    struct.pack_into(type_, content, place, *values)
    return bytes(content)


def buffer_of(body, number):
    """The place in the metadata of the offset and the size of a buffer, and in the body its own."""
    layout = Layout.of(body)
    place = layout.numbers.buffers + 16 * number
    return place, layout.start + struct.unpack_from("<q", body, place)[0]


TEXTS = Signature((Column("text", "string", nullable=True),), OUTPUT)
WORDS = written(pa.table({"text": pa.array(["Ghent", None, "Turin", "é"])}))
COUNTS = written(pa.table({"visits": pa.array([1, None, 3, 4])}))
_, OFFSETS_AT = buffer_of(WORDS, 1)
_, CHARACTERS_AT = buffer_of(WORDS, 2)
AT = Layout.of(COUNTS).numbers
HOSTILE = {
    "a text before the first": (WORDS, changed(WORDS, OFFSETS_AT, "<i", -5)),
    "a text of negative length": (WORDS, changed(WORDS, OFFSETS_AT + 4, "<i", 11)),
    "a text beyond its buffer": (WORDS, changed(WORDS, OFFSETS_AT + 16, "<i", 13)),
    "texts far beyond": (WORDS, changed(WORDS, OFFSETS_AT, "<5i", *[2**31 - 1] * 5)),
    "not UTF-8": (WORDS, changed(WORDS, CHARACTERS_AT, "B", 255)),
    "half a character": (WORDS, changed(WORDS, OFFSETS_AT + 16, "<i", 11)),
    "offsets that are cut off": (WORDS, changed(WORDS, buffer_of(WORDS, 1)[0] + 8, "<q", 16)),
    "more nulls than declared": (COUNTS, changed(COUNTS, buffer_of(COUNTS, 0)[1], "B", 0)),
    "no bits for nulls": (COUNTS, changed(COUNTS, buffer_of(COUNTS, 0)[0] + 8, "<q", 0)),
    "numbers that are cut off": (COUNTS, changed(COUNTS, buffer_of(COUNTS, 1)[0] + 8, "<q", 24)),
    "numbers beyond the stream": (COUNTS, changed(COUNTS, buffer_of(COUNTS, 1)[0], "<q", 2**40)),
    "overlapping buffers": (COUNTS, changed(COUNTS, buffer_of(COUNTS, 1)[0], "<q", 0)),
    "a number before the batch": (COUNTS, changed(COUNTS, buffer_of(COUNTS, 1)[0], "<q", -8)),
    "more rows than numbers": (COUNTS, changed(COUNTS, AT.rows, "<q", 2**60)),
    "more nodes than rows": (COUNTS, changed(COUNTS, AT.nodes, "<q", 5)),
    "negative nulls": (COUNTS, changed(COUNTS, AT.nodes + 8, "<q", -1)),
    "a body that is too long": (COUNTS, changed(COUNTS, AT.body, "<q", 2**40)),
    "a negative body": (COUNTS, changed(COUNTS, AT.body, "<q", -8)),
}  # fmt: skip


@pytest.mark.parametrize(("good", "bad"), HOSTILE.values(), ids=HOSTILE)
def test_numbers_of_a_stream_that_cannot_be_true_are_left_to_arrow(good, bad):
    signature = TEXTS if good is WORDS else NULLABLE
    form = form_of(good, signature)
    assert form.read(good, MANY) is not None

    assert form.read(bad, MANY) is None


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([1.5, 2.0], "expected integer, not 1.5"),
        ([float("inf"), 2.0], "expected integer, not inf"),
        ([float("nan"), 2.0], "null is not allowed here"),
        ([None, 2.0], "null is not allowed here"),
    ],
)
def test_cells_that_do_not_fit_are_refused_as_arrow_refuses_them(cells, message):
    reader = ArrowReader(VISITS)
    reader.read(written(pa.table({"visits": pa.array([4.0, 5.0])})), MANY)

    with pytest.raises(InputRefused) as refused:
        reader.read(written(pa.table({"visits": pa.array(cells)})), MANY)

    assert [(one.at, one.message) for one in refused.value.faults] == [("rows[0].visits", message)]


def test_a_null_text_is_refused_where_none_is_allowed():
    signature = Signature((Column("text", "string", nullable=False),), OUTPUT)
    reader = ArrowReader(signature)
    reader.read(written(pa.table({"text": ["Ghent", "Turin"]})), MANY)

    with pytest.raises(InputRefused, match="null is not allowed here"):
        reader.read(written(pa.table({"text": ["Ghent", None]})), MANY)


def test_a_text_that_the_kernel_cannot_keep_is_left_to_arrow():
    texts = [["Ghent"], ["x" * 2**24]]
    short, long = (written(pa.table({"text": cells})) for cells in texts)

    assert form_of(short, TEXTS).read(long, MANY) is None
    assert ArrowReader(TEXTS).read(long, MANY).columns["text"].tolist() == texts[1]


def test_a_table_may_not_have_more_cells_than_the_limit():
    reader, rows = ArrowReader(VISITS), 1000
    body = written(pa.table({"visits": range(rows)}))

    assert reader.read(body, rows).rows == reader.read(body, rows).rows == rows
    with pytest.raises(TooLarge):
        reader.read(body, rows - 1)


def test_large_streams_are_left_to_arrow():
    small, large = (written(pa.table({"visits": range(rows)})) for rows in (3, MOST_CELLS + 1))

    assert form_of(small, VISITS).read(large, MANY) is None
    assert ArrowReader(VISITS).read(large, MANY).rows == MOST_CELLS + 1


def test_what_is_no_stream_is_refused():
    reader = ArrowReader(VISITS)
    reader.read(written(pa.table({"visits": [1]})), MANY)

    for body in (b"", b"visits\n1\n", END):
        with pytest.raises(BodyMalformed):
            reader.read(body, MANY)


def test_the_kernel_refuses_plans_that_point_elsewhere():
    body = written(pa.table({"visits": pa.array([4, 5], pa.int32())}))
    form = form_of(body, VISITS)
    cells = np.empty((1, 2))
    assert form.columns.read_arrow(body, form.model, form.plan, cells)
    for place in range(len(form.plan)):
        for number in (-(2**63), -1, 2**40, 2**63 - 1):
            plan = form.plan.tolist()
            plan[place] = number
            with pytest.raises(ValueError, match="plan"):
                form.columns.arrow_rows(body, form.model, memoryview(array("q", plan)))
    for model, plan in (
        (form.model[:-1], form.plan),
        (form.model, form.plan[:-1]),
        (form.model, memoryview(b"")),
        (form.model, memoryview(bytes(form.plan) + b" ")[1:]),
    ):
        with pytest.raises(ValueError, match="plan"):
            form.columns.read_arrow(body, model, plan, cells)
    for others in (np.empty((1, 3)), np.empty((2, 2))):
        with pytest.raises(ValueError, match="other rows"):
            form.columns.read_arrow(body, form.model, form.plan, others)
