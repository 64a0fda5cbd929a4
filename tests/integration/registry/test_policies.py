"""Replacing the gates of a model."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.errors import PolicyConflict
from registry.operations.set_policy import set_policy
from registry.reading.queries import policy_of
from tests.factories import add_versions


@pytest.fixture
def house(database):
    """A model with one gate."""
    add_versions(database, "house", ["ready"])
    set_policy(database, "house", ["rmse < champion"], actor="ann")
    return database


def gates_of(database):
    with database.read() as session:
        return policy_of(session, "house")["gates"]


def test_gates_that_differ_from_the_expected_ones_are_not_replaced(house):
    with pytest.raises(PolicyConflict, match="ann changed the gates of 'house'"):
        set_policy(house, "house", ["r2 > 0.5"], expected=[], actor="bob")

    assert gates_of(house) == ["rmse < champion"]
    set_policy(house, "house", ["r2 > 0.5"], expected=["rmse < champion"], actor="bob")
    assert gates_of(house) == ["r2 > 0.5"]


def test_what_holds_already_is_no_conflict(house):
    view = set_policy(house, "house", ["rmse < champion"], expected=[], actor="bob")

    assert view["updated_by"] == "ann"


def test_of_many_that_expect_the_same_gates_one_replaces_them(house):
    def change(number):
        gates = [f"r2 > 0.{number}"]
        try:
            set_policy(house, "house", gates, expected=["rmse < champion"], actor=f"p{number}")
        except PolicyConflict:
            return None
        return gates

    with ThreadPoolExecutor(4) as threads:
        replaced = [gates for gates in threads.map(change, range(1, 9)) if gates]

    assert replaced == [gates_of(house)]
