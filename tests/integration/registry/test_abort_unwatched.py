"""Rollouts that nobody watches, which workers abort where the plan says so."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from registry.errors import VersionNotLoadable
from registry.operations.abort_unwatched import abort_unwatched
from registry.operations.move_rollout import RolloutMove, move_rollout
from registry.operations.promote import PromotionRequest, promote
from registry.operations.start_rollout import RolloutRequest, start_rollout
from registry.reading.splits import weights_of
from registry.rollouts.plan import parse_plan
from registry.storage.rollout_tables import RolloutRow
from registry.storage.tables import AliasRow, EventRow, utc_now
from tests.factories import add_versions
from tests.fakes import Preparer


def passing(inputs):
    assert inputs.gates is not None
    return []


@pytest.fixture
def house(database):
    """Production points at version 1."""
    add_versions(database, "house", ["ready"] * 2)
    order = PromotionRequest(actor="ann")
    promote(database, Preparer(), "house", "1", order, evaluate_gates=passing)
    return database


def start(database, unwatched, model="house"):
    steps = [{"weight": 10, "minutes": 10}, {"weight": 100}]
    plan = parse_plan({"steps": steps, "unwatched": unwatched})
    order = RolloutRequest(actor="ann", plan=plan)
    start_rollout(database, Preparer(), model, "2", order, evaluate_gates=passing)


def last_watched(database, seconds):
    """Have the last look at the counts be so long ago."""
    with database.write() as session:
        at = utc_now() - timedelta(seconds=seconds)
        session.execute(update(RolloutRow).values(evidence_at=at))


def abort(database, prepare=None):
    abort_unwatched(database, prepare or Preparer(), evaluate_gates=passing)


def found(database):
    """The state of the rollout, the weights of the split, and where the alias points."""
    with database.read() as session:
        row = session.scalars(select(RolloutRow)).one()
        alias = session.get(AliasRow, ("house", "production"))
        return row.state, dict(weights_of(session, "house", "production")), alias.number


def test_one_whose_plan_says_abort_is_aborted_once(house):
    start(house, "abort")
    last_watched(house, 75)

    abort(house)
    abort(house)

    assert found(house) == ("aborted", {}, 1)
    with house.read() as session:
        events = session.scalars(select(EventRow).order_by(EventRow.seq)).all()
    ended = [event for event in events if event.type == "rollout_ended"]
    assert [(event.actor, event.reason) for event in ended] == [
        ("hotswap", "No keeper has looked at it for 75 s, and its plan says abort.")
    ]


@pytest.mark.parametrize(("unwatched", "seconds"), [("hold", 10_000), ("abort", 50)])
def test_one_that_may_wait_or_is_watched_stays(house, unwatched, seconds):
    start(house, unwatched)
    last_watched(house, seconds)

    abort(house)

    assert found(house) == ("running", {1: 9000, 2: 1000}, 1)


def test_one_whose_version_was_promoted_is_rolled_back(house):
    start(house, "abort")
    to_the_end = RolloutMove(actor="keeper", alias="production")
    move_rollout(house, Preparer(), "house", "promote", to_the_end, evaluate_gates=passing)
    assert found(house)[2] == 2
    last_watched(house, 75)

    abort(house)

    assert found(house) == ("aborted", {}, 1)


def test_a_failure_is_logged_and_tried_again(house, caplog):
    start(house, "abort")
    to_the_end = RolloutMove(actor="keeper", alias="production")
    move_rollout(house, Preparer(), "house", "promote", to_the_end, evaluate_gates=passing)
    last_watched(house, 75)

    abort(house, Preparer(fails_with=VersionNotLoadable("house", 1, "no memory.")))
    assert "was not aborted" in caplog.text
    abort(house)

    assert found(house) == ("aborted", {}, 1)


@pytest.mark.parametrize("damage", [{"plan": {}}, {"evidence": {}}])
def test_one_that_cannot_be_read_does_not_keep_others_from_being_aborted(house, caplog, damage):
    add_versions(house, "cabin", ["ready"] * 2)
    order = PromotionRequest(actor="ann")
    promote(house, Preparer(), "cabin", "1", order, evaluate_gates=passing)
    start(house, "abort", "cabin")
    with house.write() as session:
        session.execute(update(RolloutRow).values(damage))
    start(house, "abort")
    last_watched(house, 75)

    abort(house)

    assert "the rollout of cabin was not aborted" in caplog.text
    with house.read() as session:
        states = session.execute(select(RolloutRow.model, RolloutRow.state))
        assert sorted(tuple(row) for row in states) == [
            ("cabin", "running"),
            ("house", "aborted"),
        ]


def test_one_that_somebody_changes_at_the_same_time_is_left_to_them(house):
    start(house, "abort")
    to_the_end = RolloutMove(actor="keeper", alias="production")
    move_rollout(house, Preparer(), "house", "promote", to_the_end, evaluate_gates=passing)
    last_watched(house, 75)
    finish = RolloutMove(actor="bob", alias="production", reason="It is good.")

    abort(
        house,
        Preparer(
            meanwhile=lambda: move_rollout(
                house, Preparer(), "house", "complete", finish, evaluate_gates=passing
            )
        ),
    )

    assert found(house) == ("promoted", {}, 2)
