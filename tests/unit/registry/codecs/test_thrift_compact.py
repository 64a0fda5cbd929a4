"""Thrift's compact protocol, in C and in Python: equal results and equal errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.codecs.thrift_compact import (
    AVAILABLE,
    I32,
    I64,
    ListOf,
    read_in_python,
    read_struct,
)
from tests.unit.registry.codecs.parquet_footers import (
    BINARY,
    BYTE,
    DOUBLE,
    FALSE,
    LIST,
    STRUCT,
    TRUE,
    write,
)
from tests.unit.registry.codecs.varints import varint

MANY = 1000
WANTED = {1: I64, 2: I32, 3: {1: I64}, 4: ListOf({1: I64, 2: ListOf({1: I32})}), 100: I64}

compiled = pytest.mark.skipif(not AVAILABLE, reason="built without a C compiler")
readers = pytest.mark.parametrize(
    "read",
    [
        pytest.param(read_in_python, id="python"),
        pytest.param(read_struct, id="c", marks=compiled),
    ],
)


@readers
def test_wanted_fields_are_read_and_others_skipped(read):
    skipped = {
        5: [TRUE, None],
        6: [FALSE, None],
        7: [BYTE, b"a"],
        8: [DOUBLE, b"12345678"],
        9: [BINARY, b"text"],
        10: [LIST, [STRUCT, {1: [6, 5]}, {}]],
        11: [LIST, [LIST, [TRUE], [BINARY, b"a", b""]]],
    }
    items = [STRUCT, {1: [6, -7]}, {2: [LIST, [STRUCT, {1: [I32, 8]}]]}, *[{}] * 20]
    wanted = {1: [6, -(2**63)], 2: [I32, 3], 3: [STRUCT, {1: [6, 4], 2: [6, 5]}], 4: [LIST, items]}
    data = write(STRUCT, {**wanted, **skipped}) + b"what follows"

    fields, end = read(data, WANTED, MANY)

    assert fields == {
        1: -(2**63),
        2: 3,
        3: {1: 4},
        4: [{1: -7}, {2: [{1: 8}]}, *[{}] * 20],
    }
    assert data[end:] == b"what follows"


@readers
def test_a_field_can_have_any_number_up_to_32767(read):
    far = b"\x06" + varint(100) + varint(-3) + b"\x06" + varint(2**15 - 1) + varint(1)

    assert read(far + b"\x06" + varint(1) + varint(5) + b"\0", WANTED, 3)[0] == {100: -3, 1: 5}


@readers
def test_booleans_take_a_byte_in_a_list(read):
    assert read(b"\x89\x31\1\2\1\0", WANTED, MANY) == ({}, 6)


@readers
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x16\x02\x06\x02\x02\0", "repeated or out of range"),
        (b"\x06" + varint(70) + b"\2\x06" + varint(70) + b"\2\0", "repeated or out of range"),
        (b"\x06\0\2\0", "repeated or out of range"),
        (b"\x06" + varint(-1) + b"\2\0", "repeated or out of range"),
        (b"\x06" + varint(2**15) + b"\2\0", "repeated or out of range"),
        (b"\x06" + varint(2**15 - 1) + b"\2\x16\2\0", "repeated or out of range"),
        (b"\x15\2\0", "another type"),
        (b"\x11\0", "another type"),
        (b"\x3c\x15\2\0\0", "another type"),
        (b"\x4a\x0c\0", "another type"),
        (b"\x49\x06\0", "a list has items of another type"),
        (b"\x16" + b"\xff" * 10 + b"\0", "a number is too long"),
        (b"\x16" + b"\xff" * 9 + b"\2\0", "a number is too long"),
        (b"\x56" + b"\xff" * 10 + b"\0", "a number is too long"),
        (b"\x5b\0\0", "a field has the type 11"),
        (b"\x50\0", "a field has the type 0"),
        (b"\x59\xf5" + varint(2**40, signed=False), "too many values"),
        (b"\x49\xfc" + varint(2**64 - 1, signed=False), "too many values"),
        (write(STRUCT, {at: [TRUE, None] for at in range(5, 20)}) * 70, "too many values"),
        (b"\x5c" + b"\x1c" * 400, "nested too deeply"),
        (b"\x59" + b"\x19" * 10**6, "nested too deeply"),
        (b"\x59" + b"\x1c" * 10**6, "nested too deeply"),
    ],
    ids=lambda value: value[:8].hex() if isinstance(value, bytes) else value,
)
def test_an_ambiguous_struct_is_refused(read, data, message):
    with pytest.raises(ValueError, match=message):
        read(data, WANTED, 10**6 if "deeply" in message else 14)


@readers
@pytest.mark.parametrize(
    "data",
    [
        b"\x57" + b"1" * 7,
        b"\x58\x09text",
        b"\x58" + b"\xff" * 9 + b"\1",
        b"\x59\x31\1",
        b"\x16\x80",
    ],
    ids=bytes.hex,
)
def test_a_struct_that_ends_early_is_no_struct(read, data):
    with pytest.raises(IndexError):
        read(data, WANTED, MANY)


@readers
def test_any_part_of_a_struct_is_too_short(read):
    data = write(
        STRUCT, {1: [6, 2**60], 3: [STRUCT, {9: [BINARY, b"text"]}], 4: [LIST, [STRUCT, {}]]}
    )
    for size in range(len(data)):
        with pytest.raises(IndexError):
            read(data[:size], WANTED, MANY)


CHUNK = {1: [BINARY, b"PAR1"], 2: [I64, 4], 3: [STRUCT, {2: [LIST, [I32, 0]], 5: [I64, 100]}]}
GROUP = {1: [LIST, [STRUCT, CHUNK, CHUNK]], 2: [I64, 800], 3: [I64, 100], 6: [BYTE, b"a"]}
FOOTER = {1: [I32, 2], 3: [I64, 100], 4: [LIST, [STRUCT, GROUP, GROUP]], 9: [TRUE, None]}
OF_A_FOOTER = {3: I64, 4: ListOf({1: ListOf({3: {5: I64}}), 2: I64, 3: I64})}


def _structs(values):
    fields = st.dictionaries(st.integers(1, 10), values, max_size=6)
    return fields.map(lambda found: dict(sorted(found.items())))


_integers = st.integers(-(2**63), 2**63 - 1)
_values = st.recursive(
    st.one_of(
        st.tuples(st.sampled_from([I32, I64]), _integers),
        st.tuples(st.sampled_from([TRUE, FALSE]), st.none()),
        st.tuples(st.just(BINARY), st.binary(max_size=20)),
        st.tuples(st.just(DOUBLE), st.binary(min_size=8, max_size=8)),
    ),
    lambda values: st.one_of(
        st.tuples(st.just(STRUCT), _structs(values)),
        st.lists(_structs(values), max_size=17).map(lambda each: (LIST, [STRUCT, *each])),
        st.lists(_integers, max_size=3).map(lambda each: (LIST, [I64, *each])),
    ),
    max_leaves=20,
)


@st.composite
def damaged(draw):
    """A struct of which some bytes are replaced, and perhaps the end is missing."""
    data = bytearray(write(STRUCT, draw(st.just(FOOTER) | _structs(_values))))
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, 1000))])


def outcome(read, data, most_values):
    try:
        return read(data, OF_A_FOOTER, most_values)
    except IndexError:
        return "truncated"
    except ValueError as error:
        return str(error)


@compiled
@given(data=damaged() | st.binary(max_size=50), most_values=st.just(MANY) | st.integers(0, 30))
def test_both_have_equal_results_and_errors(data, most_values):
    expected = outcome(read_in_python, data, most_values)

    assert outcome(read_struct, data, most_values) == expected


@compiled
@pytest.mark.parametrize(
    "arguments",
    [("text", {}, 1), (bytearray(b"\0"), {}, 1), (b"\0", [], 1), (b"\0", {}, 2**70), (b"\0", {})],
    ids=["text", "changeable bytes", "no dict", "a large number", "too few"],
)
def test_the_compiled_reader_refuses_other_arguments(arguments):
    with pytest.raises((TypeError, OverflowError)):
        read_struct(*arguments)
