"""Elements of BYTES tensors: the compiled reader and the one in Python accept the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.codecs import tensor_texts
from registry.codecs.tensor_texts import TextFault, read_in_python, read_texts, with_length

compiled = pytest.mark.skipif(not tensor_texts.AVAILABLE, reason="there is no C compiler")

DEFINED = b"\x08\x00\x00\x00NEAR BAY\x02\x00\x00\x00\xc3\xa9"
"""The example of the protocol."""


def test_each_element_is_its_length_and_its_bytes() -> None:
    assert read_texts(DEFINED, 2) == ["NEAR BAY", "é"]
    assert b"".join(with_length(text.encode()) for text in ("NEAR BAY", "é")) == DEFINED


@pytest.mark.parametrize(
    ("data", "count", "index", "message"),
    [
        (DEFINED, 3, 2, "expected its length, but 0 bytes are left"),
        (DEFINED, 1, None, "6 bytes are left after 1 elements"),
        (DEFINED[:-1], 2, 1, "its length is 2, but 1 bytes are left"),
        (b"\xff\xff\xff\xffabcd", 1, 0, "its length is 4294967295, but 4 bytes are left"),
        (b"\x01\x00\x00\x00\xff", 1, 0, "expected a text in UTF-8"),
        (b"\x03\x00\x00\x00\xed\xa0\x80", 1, 0, "expected a text in UTF-8"),
        (b"", 2**53, None, "0 bytes hold at most 0 elements, not 9007199254740992"),
        (b"", 0, None, ""),
    ],
)
def test_a_fault_names_the_element(
    data: bytes, count: int, index: int | None, message: str
) -> None:
    if not message:
        assert read_texts(data, count) == []
        return
    with pytest.raises(TextFault) as caught:
        read_texts(data, count)
    assert (caught.value.index, caught.value.message) == (index, message)


def test_a_fault_is_counted_from_the_first_element() -> None:
    texts = [with_length(b"x")] * 5000
    texts[4500] = with_length(b"\xff")
    with pytest.raises(TextFault) as caught:
        read_texts(b"".join(texts), 5000)
    assert caught.value.index == 4500


@given(st.lists(st.text(max_size=8), max_size=100))
def test_texts_are_read_as_they_were_written(texts: list[str]) -> None:
    assert read_texts(b"".join(with_length(text.encode()) for text in texts), len(texts)) == texts


@compiled
@given(
    st.one_of(
        st.binary(max_size=60),
        st.lists(st.binary(max_size=4)).map(lambda all_: b"".join(map(with_length, all_))),
    ),
    st.integers(-1, 20),
    st.integers(-1, 20),
)
def test_the_compiled_reader_does_as_the_one_in_python(data: bytes, at: int, count: int) -> None:
    from registry.codecs import tensor_kernel

    if at < 0 or count < 0:
        with pytest.raises(ValueError, match="negative"):
            tensor_kernel.read_texts(data, at, count)
        return
    try:
        expected = read_in_python(data, at, count)
    except TextFault:
        with pytest.raises(ValueError):  # noqa: PT011 - that in Python says what is wrong
            tensor_kernel.read_texts(data, at, count)
    else:
        if count:
            assert tensor_kernel.read_texts(memoryview(data), at, count) == expected


@compiled
def test_repeated_texts_share_a_string() -> None:
    first, _, last = read_texts(DEFINED[:12] + DEFINED, 3)[:3]
    texts = read_texts(DEFINED[:12] * 3, 3)
    assert (first, last) == ("NEAR BAY", "é")
    assert texts[0] is texts[2]
