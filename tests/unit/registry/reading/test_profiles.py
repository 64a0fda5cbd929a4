"""The profile of an upload is checked: its form, its sums, and that it fits the model."""

import copy

import pytest

from registry.errors import MetadataRefused
from registry.reading.profiles import checked_evaluation
from registry.reading.stored_evaluation import read_evaluation
from registry.signature import Column, Output, Signature

PRICES = Signature(
    (Column("rooms", "number", nullable=True), Column("city", "string")), Output("price", "number")
)
COLOURS = Signature(PRICES.inputs, Output("red", "boolean", (False, True)))
SOUND = {
    "rows": 5,
    "source": "training",
    "columns": {
        "rooms": {"edges": [2.0, 3.5], "counts": [1, 2, 1], "missing": 1, "min": 1, "max": 9},
        "city": {"values": {"Turin": 4}, "other": 1, "missing": 0},
    },
    "output": {"edges": [], "counts": [7], "sd": 0.0, "source": "held-out"},
}


def changed(path, value):
    """SOUND with another value at ``path``; None removes it."""
    profile = copy.deepcopy(SOUND)
    *parents, last = path.split("/")
    place = profile
    for name in parents:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return profile


def test_a_sound_profile_is_accepted_and_read_by_itself():
    checked_evaluation({"profile": SOUND}, PRICES)
    read = read_evaluation({"profile": SOUND, "columns": "unsound"})
    assert read.profile.columns["rooms"].counts == (1, 2, 1)
    assert read.unsound == ("columns",)


def test_an_evaluation_may_have_no_profile():
    checked_evaluation({}, PRICES)
    checked_evaluation({"profile": None}, PRICES)
    assert read_evaluation({}).profile is None


@pytest.mark.parametrize(
    ("path", "value", "at", "what"),
    [
        ("rows", None, "", "missing required field `rows`"),
        ("rows", 0, ".rows", ">= 1"),
        ("rows", 6, "", "add up to 5"),
        ("source", "elsewhere", ".source", "Invalid enum value"),
        ("made_up", 1, "", "unknown field"),
        ("columns/rooms/counts", [1, 2], ".columns[...]", "2 edges need 3 counts"),
        ("columns/rooms/edges", [3.5, 2.0], ".columns[...]", "do not ascend"),
        ("columns/rooms/edges", ["a", "b"], ".columns[...].edges[0]", "float"),
        ("columns/rooms/counts", [1, 3, -1], ".columns[...].counts[2]", ">= 0"),
        ("columns/rooms/values", {"a": 1}, ".columns[...]", "belong together"),
        ("columns/city/other", None, ".columns[...]", "belong together"),
        ("columns/rooms", {"values": {}, "other": 5, "missing": 0}, ".columns.rooms", "bins"),
        ("columns/city", {"edges": [], "counts": [5], "missing": 0}, ".columns.city", "values"),
        ("output", {"values": {}, "other": 3, "source": "held-out"}, ".output", "bins for"),
        ("output", {"source": "held-out"}, ".output", "expected either"),
    ],
)
def test_what_is_wrong_is_named(path, value, at, what):
    with pytest.raises(MetadataRefused) as refused:
        checked_evaluation({"profile": changed(path, value)}, PRICES)
    (fault,) = refused.value.faults
    assert fault.at == f"evaluation.profile{at}"
    assert what in fault.message
    assert fault.message in refused.value.detail


def test_columns_that_the_model_drops_are_left_out() -> None:
    profile = changed("columns/ticket", {"values": {"A 5": 1}, "other": 4, "missing": 0})
    evaluation = checked_evaluation({"rows": 2, "profile": profile}, PRICES)
    assert evaluation == {"rows": 2, "profile": SOUND}


def test_classes_are_those_of_the_model():
    output = {"values": {"true": 3, "maybe": 1}, "other": 0, "source": "held-out"}
    with pytest.raises(MetadataRefused, match=r"values\.maybe: the model has no such class"):
        checked_evaluation({"profile": changed("output", output)}, COLOURS)
    del output["values"]["maybe"]
    checked_evaluation({"profile": changed("output", output)}, COLOURS)
    with pytest.raises(MetadataRefused, match="expected values for a classification"):
        checked_evaluation({"profile": SOUND}, COLOURS)
