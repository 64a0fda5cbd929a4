"""The differences between the data of two versions."""

from typing import Any

import pytest

from cli.retraining.data_changes import data_changes
from hotswap.replies import Version


def version(columns: dict[str, str], *, rows: int = 100, digest: str = "a", **more: Any) -> Version:
    """A version with ``columns`` by type; a type with ``?`` behind it may be null."""
    inputs = [
        {"name": name, "type": type_.rstrip("?"), "nullable": type_.endswith("?")}
        for name, type_ in columns.items()
    ]
    return {
        "model": "m",
        "version": 1,
        "signature": {"inputs": inputs, "output": {"name": "y", "type": "string", **more}},  # type: ignore[typeddict-item]
        "lineage": {"data_rows": rows, "data_sha256": digest * 64},
    }


def changes(
    before: Version | None, after: Version, old: dict[str, Any], new: dict[str, Any]
) -> list[tuple[str, str | None, str | None]]:
    found = data_changes(before, after, {"columns": old}, {"columns": new})
    return [(change["what"], change["before"], change["after"]) for change in found]


PLAIN = {"rooms": "number", "zip": "string"}


def test_the_same_data_have_no_changes() -> None:
    kept = {"rooms": {"min": 1, "max": 9, "mean": 4.5, "missing": 0}}
    assert changes(version(PLAIN), version(PLAIN), kept, kept) == []


def test_without_a_champion_there_is_nothing_to_compare_with() -> None:
    assert changes(None, version(PLAIN), {}, {}) == []


def test_changed_rows_and_digests_are_reported() -> None:
    found = changes(version(PLAIN), version(PLAIN, rows=20_640, digest="b"), {}, {})
    assert found == [("digest", "a" * 12, "b" * 12), ("rows", "100", "20,640")]


def test_added_removed_and_retyped_columns_are_reported_in_order() -> None:
    after = version({"zip": "integer", "rooms": "number?", "age": "number"})
    assert changes(version({**PLAIN, "old": "boolean"}), after, {}, {}) == [
        ("column rooms", "number", "number, may be null"),
        ("column zip", "string", "integer"),
        ("column old", "boolean", None),
        ("column age", None, "number"),
    ]


def test_added_and_removed_classes_are_reported() -> None:
    before, after = version(PLAIN, classes=["no", "yes"]), version(PLAIN, classes=["yes", 2])
    assert changes(before, after, {}, {}) == [("classes", "no", "2")]


def test_changed_ranges_missing_values_and_new_values_are_reported() -> None:
    old = {
        "rooms": {"min": 1, "max": 9, "mean": 4.5, "missing": 0},
        "zip": {"values": {"a": 5, "b": 2}, "missing": 0},
        "same": {"values": {"x": 1}, "missing": 0},
    }
    new = {
        "rooms": {"min": 1, "max": 90, "mean": 14.25, "missing": 3},
        "zip": {"values": {"a": 1, "c": 1}, "missing": 0},
        "same": {"values": {"x": 7}, "missing": 0},
    }
    assert changes(version(PLAIN), version(PLAIN), old, new) == [
        ("values of rooms", "min 1, max 9, mean 4.5", "min 1, max 90, mean 14.25; 3 missing"),
        ("values of zip", "with b", "with c"),
    ]


@pytest.mark.parametrize("count", [8, 9, 500])
def test_many_new_values_are_counted(count: int) -> None:
    new = {"zip": {"values": {f"v{number:03}": 1 for number in range(count)}}}
    (found,) = changes(version(PLAIN), version(PLAIN), {"zip": {"values": {}}}, new)
    shown = ", ".join(f"v{number:03}" for number in range(8))
    more = f" and {count - 8} more" if count > 8 else ""
    assert found == ("values of zip", "", f"with {shown}{more}")


def test_versions_without_recorded_data_are_compared_by_what_they_have() -> None:
    bare: Version = {"model": "m", "version": 1}
    assert data_changes(bare, bare, {}, {}) == []


@pytest.mark.parametrize(
    "columns",
    [[1], "x", {"rooms": 3}, {"rooms": {"values": 3}}, {"rooms": {"values": [{}]}}],
)
def test_malformed_parts_of_an_evaluation_are_skipped(columns: Any) -> None:
    sound = {"rooms": {"min": 1, "max": 9, "mean": 4.5, "missing": 0}}
    assert changes(version(PLAIN), version(PLAIN), columns, sound) == []
    assert changes(version(PLAIN), version(PLAIN), sound, columns) == []


@pytest.mark.parametrize("digest", [5, {"a": 1}, ["b"], True])
def test_a_malformed_digest_counts_as_missing(digest: Any) -> None:
    odd = version(PLAIN)
    odd["lineage"]["data_sha256"] = digest
    assert changes(odd, version(PLAIN), {}, {}) == [("digest", None, "a" * 12)]
