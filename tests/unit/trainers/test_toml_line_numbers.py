"""Every key and list item of a TOML document has its line number."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.toml_line_numbers import key_lines

DOCUMENT = '''\
name = "a # no comment"  # a comment with "quotes = 1"
'quoted.key' = 'C:\\'
site."a.b" = true
text = """
one = 1
[two]
\\"""three"""""
raw = \'\'\'
four = 4\'\'\'\'\'
list = [ # opened
  1, [2, 3],
  { low = 1, high = 2 }, "]",

]
date = 1979-05-27 07:32:00
[search.params]
depth = { low = 1, high = 2 } # inline
[ columns . "ocean\\tproximity" ]
bands = { edges = [0, 1,
  2], labels = ["a", "b"] }
[[runs]]
seed = 1
[[runs]]
seed = 2
[runs.more]
x = 1
'''


def test_each_key_has_its_line():
    lines = key_lines(DOCUMENT)

    assert lines["name",] == 1
    assert lines["quoted.key",] == 2
    assert lines["site",] == lines["site", "a.b"] == 3
    assert lines["text",] == 4
    assert lines["raw",] == 8
    assert lines["list",] == 10
    assert lines["list", 0] == lines["list", 1] == lines["list", 1, 1] == 11
    assert lines["list", 2, "high"] == lines["list", 3] == 12
    assert lines["date",] == 15
    assert lines["search",] == lines["search", "params"] == 16
    assert lines["search", "params", "depth", "high"] == 17
    assert lines["columns", "ocean\tproximity"] == 18
    assert lines["columns", "ocean\tproximity", "bands", "edges", 1] == 19
    assert lines["columns", "ocean\tproximity", "bands", "edges", 2] == 20
    assert lines["runs",] == lines["runs", 0] == 21
    assert lines["runs", 1, "seed"] == 24
    assert lines["runs", 1, "more", "x"] == 26


def paths(value, path=()):
    """Every key and item in what tomllib has read."""
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def test_the_keys_match_those_of_tomllib():
    assert set(key_lines(DOCUMENT)) == set(paths(tomllib.loads(DOCUMENT)))


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_both_kinds_of_line_ends_count(end):
    lines = key_lines(DOCUMENT.replace("\n", end))

    assert lines["runs", 1, "more", "x"] == 26


keys = st.text(st.characters(codec="utf-8"), min_size=0, max_size=4)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6)
scalars = st.one_of(st.integers(-9, 9), st.booleans(), texts)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=6)


def quoted(text):
    escaped = "".join(
        f"\\U{ord(sign):08x}" if sign in '"\\' or not sign.isprintable() else sign for sign in text
    )
    return f'"{escaped}"'


def written(value):
    if isinstance(value, list):
        return "[" + ",\n # ]\n".join(map(written, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else str(value)


@given(st.dictionaries(keys, st.dictionaries(keys, values, max_size=3), max_size=3))
def test_every_key_and_item_of_a_document_is_found(document):
    text = "\n".join(
        "\n".join([f"[{quoted(name)}]", *(f"{quoted(key)} = {written(value)}" for key, value in
                                          table.items())])
        for name, table in document.items()
    )  # fmt: skip

    assert tomllib.loads(text) == document
    assert set(key_lines(text)) == set(paths(document))
