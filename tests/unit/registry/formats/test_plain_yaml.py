"""YAML of others: plain values, in bounded time and depth."""

import pytest

from registry.formats.plain_yaml import MAX_DEPTH, MAX_NODES, read_yaml


def test_scalars_are_texts_booleans_and_null() -> None:
    content = b"a: 1\nb: '1.9.1'\nc: null\nd: ~\ne:\nf: true\ng: 'true'\nh: 2026-11-23\ni: \xc3\xa9"
    assert read_yaml(content) == {
        "a": "1", "b": "1.9.1", "c": None, "d": None, "e": None, "f": True, "g": "true",
        "h": "2026-11-23", "i": "é",
    }  # fmt: skip


def test_collections_nest_and_an_alias_is_its_value() -> None:
    content = b"a: [&x 1, {b: [2]}]\nc: *x\nd: {}\ne: []"
    assert read_yaml(content) == {"a": ["1", {"b": ["2"]}], "c": "1", "d": {}, "e": []}


def test_only_the_first_document_is_read_and_an_empty_one_is_null() -> None:
    assert read_yaml(b"a: b\n--- \nc: d") == {"a": "b"}
    assert read_yaml(b"") is None


@pytest.mark.parametrize(
    "content", ["!!python/object/apply:os.system [ls]", "a: !!binary aGk=", "a: !own {}"]
)
def test_tags_are_refused(content: str) -> None:
    with pytest.raises(ValueError, match="tags are not accepted"):
        read_yaml(content.encode())


def test_a_short_document_cannot_stand_for_a_large_value() -> None:
    levels = "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(20))
    with pytest.raises(ValueError, match="refers to a collection"):
        read_yaml(f"a0: &a0 [x]\n{levels}".encode())


@pytest.mark.parametrize(
    "content",
    ["[" * 300_000, "- " * 300_000, "{a: " * 100_000, "? " * 300_000, "[" * (MAX_DEPTH + 1)],
    ids=["lists", "items", "mappings", "keys", "one too many"],
)
def test_deep_nesting_is_refused(content: str) -> None:
    with pytest.raises(ValueError, match=r"nested more than|expected"):
        read_yaml(content.encode())


@pytest.mark.parametrize(
    "content",
    [
        b"a: &x 1\n" + b"".join(b"k%d: *x\n" % each for each in range(MAX_NODES)),
        b"a: [",
        b"a: *nothing",
        b"\xff\xfe\xfa",
        b"? [a]\n: b",
        b"a: b: c",
        b"a: \x00",
    ],
    ids=["many", "open", "alias", "not text", "key", "colon", "nul"],
)
def test_what_cannot_be_read_says_why(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"[a-z]+ [a-z]+"):
        read_yaml(content)
