"""The filters and orders of searches."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import SearchMalformed
from registry.reading.search_filters import (
    MOST_CHARACTERS,
    MOST_COMPARISONS,
    Keys,
    Number,
    OneOf,
    Text,
    parse_filter,
    parse_order,
)

KEYS = Keys(texts=("name", "run_id"), numbers=("version_number",), lists=("run_id",))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("  ", []),
        ("name='iris'", [Text("name", False, "=", "iris")]),
        ('name != "it\'s"', [Text("name", False, "!=", "it's")]),
        ("`name` like 'a%'", [Text("name", False, "LIKE", "a%")]),
        ("\"name\" ILIKE '%A_'", [Text("name", False, "ILIKE", "%A_")]),
        ("tags.key = ''", [Text("key", True, "=", "")]),
        ("tags.a.b-c = 'x'", [Text("a.b-c", True, "=", "x")]),
        ("tags.`my key` != 'x'", [Text("my key", True, "!=", "x")]),
        ("tags.\"my key\"='x'", [Text("my key", True, "=", "x")]),
        ("`tags.my key`='x'", [Text("my key", True, "=", "x")]),
        ("version_number>=3", [Number("version_number", ">=", 3)]),
        ("version_number < 99999999999999999999", [Number("version_number", "<", 2**31 - 1)]),
        ("run_id IN ('a')", [OneOf("run_id", "IN", ("a",))]),
        ("run_id not in ('a', \"b\")", [OneOf("run_id", "NOT IN", ("a", "b"))]),
        (
            "name='a AND b' and version_number=1 AND tags.x='y'",
            [
                Text("name", False, "=", "a AND b"),
                Number("version_number", "=", 1),
                Text("x", True, "=", "y"),
            ],
        ),
        ("name = 'x; DROP TABLE models'", [Text("name", False, "=", "x; DROP TABLE models")]),
    ],
)
def test_a_filter_is_read_into_comparisons(text, found):
    assert parse_filter(text, KEYS) == found


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "name =",
        "name = iris",
        "name = `iris`",
        "name = 'iris",
        "name = 1",
        "name > 'a'",
        "name IN ('a')",
        "name NOT LIKE 'a'",
        "name = 'a' OR name = 'b'",
        "name = 'a' name = 'b'",
        "name = 'a' AND",
        "AND name = 'a'",
        "(name = 'a')",
        "'name' = 'a'",
        "name == 'a'",
        "owner = 'a'",
        "tags. = 'a'",
        "tags.'key' = 'a'",
        "tags.k IN ('a')",
        "tags = 'a'",
        "version_number = '1'",
        "version_number = 1.5",
        "version_number LIKE '1'",
        "run_id IN ()",
        "run_id IN ('a'",
        "run_id IN ('a',)",
        "run_id IN 'a'",
        "name = 'a'; DROP TABLE models",
        "name = 'a' -- x",
        "name = '\x00'",
        "1 = 1",
        f"name = '{'a' * MOST_CHARACTERS}'",
        " AND ".join(["name='a'"] * (MOST_COMPARISONS + 1)),
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(SearchMalformed, match="'filter'"):
        parse_filter(text, KEYS)


@given(st.text(alphabet="name='\"`tags.x()AND LIKE123<>!,", max_size=60))
def test_no_text_fails_otherwise(text):
    with suppress(SearchMalformed):
        assert parse_filter(text, KEYS) or not text.strip()


def test_an_order_is_a_list_of_keys_and_directions():
    keys = ("name", "last_updated_timestamp")

    assert parse_order([], keys) == []
    assert parse_order(["timestamp DESC", "name asc"], keys) == [
        ("last_updated_timestamp", True),
        ("name", False),
    ]
    for wrong in (["owner"], ["name up"], ["name ASC DESC"], [""], ["name", "`name` DESC"]):
        with pytest.raises(SearchMalformed, match="'order_by'"):
            parse_order(wrong, keys)
