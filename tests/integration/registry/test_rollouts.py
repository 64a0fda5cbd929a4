"""Rollouts in the database: each move changes the alias and the rollout together, once."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from registry.errors import (
    AliasNotFound,
    GateFailed,
    IdempotencyKeyReused,
    RolloutActive,
    RolloutChanged,
    RolloutCoolingDown,
    RolloutNotFound,
    RolloutRefused,
    RolloutStateConflict,
    SplitInTheWay,
    VersionHasAlias,
    VersionNotReady,
)
from registry.gates.results import GateResult
from registry.operations.alias_requests import AliasRequest
from registry.operations.archive_model import archive_model
from registry.operations.archive_version import archive_version
from registry.operations.delete_alias import delete_alias
from registry.operations.end_split import end_split
from registry.operations.move_rollout import RolloutMove, move_rollout
from registry.operations.promote import PromotionRequest, promote
from registry.operations.rollback import rollback
from registry.operations.rows import locked_model
from registry.operations.set_policy import set_policy
from registry.operations.split_alias import SplitRequest, split_alias
from registry.operations.start_rollout import RolloutRequest, start_rollout
from registry.operations.steer_rollout import (
    abort_rollout,
    finish_rollout,
    pause_rollout,
    resume_rollout,
)
from registry.reading.splits import weights_of
from registry.rollouts.plan import parse_plan
from registry.storage.alert_tables import AlertRow
from registry.storage.history import verify
from registry.storage.idempotency import Idempotency, store_answer
from registry.storage.rollout_tables import RolloutRow
from registry.storage.tables import AliasRow, EventRow, ModelRow, utc_now
from registry.watching.rollouts import find_rollout, observed_of
from tests.factories import add_token, add_versions
from tests.fakes import Preparer
from tests.marks import each_once

PLAN = parse_plan(
    {
        "steps": [
            {"weight": 5, "minutes": 10, "requests": 2000},
            {"weight": 25, "minutes": 30},
            {"weight": 100},
        ]
    }
)
CHAMPION, CANARY = 2, 3


def passing(inputs):
    return [GateResult(gate=gate.text, passed=True) for gate in inputs.gates]


def refusing(inputs):
    return [GateResult(gate=gate.text, passed=False) for gate in inputs.gates]


@pytest.fixture
def house(either_database):
    return _furnished(either_database)


@pytest.fixture
def any_house(database):
    """On both databases."""
    return _furnished(database)


def _furnished(database):
    """Four versions; production went from 1 to 2."""
    add_versions(database, "house", ["ready"] * 4 + ["archived"])
    for number in (1, 2):
        go(database, number)
    return database


def go(database, number, **more):
    request = PromotionRequest(actor="ann", **more)
    return promote(database, Preparer(), "house", str(number), request, evaluate_gates=passing).view


def start(database, number=CANARY, *, evaluate_gates=passing, **more):
    request = RolloutRequest(**{"actor": "ann", "plan": PLAN, **more})
    return start_rollout(
        database, Preparer(), "house", str(number), request, evaluate_gates=evaluate_gates
    )


def move(database, action, *, evaluate_gates=passing, **more):
    request = RolloutMove(**{"actor": "keeper", "alias": "production", **more})
    return move_rollout(
        database, Preparer(), "house", action, request, evaluate_gates=evaluate_gates
    ).view


def by_person(database, verb, *, evaluate_gates=passing, **more):
    request = RolloutMove(**{"actor": "bob", "alias": "production", **more})
    if verb in {pause_rollout, resume_rollout}:
        return verb(database, "house", request)
    return verb(database, Preparer(), "house", request, evaluate_gates=evaluate_gates)


def state(database):
    """The state of the rollout, the weights of the split, and where the alias points."""
    with database.read() as session:
        row = session.scalars(select(RolloutRow).order_by(RolloutRow.id.desc())).first()
        alias = session.get(AliasRow, ("house", "production"))
        weights = weights_of(session, "house", "production")
        return row.state, dict(weights), alias and alias.number


def events(database):
    """The events after the fixture's."""
    with database.read() as session:
        query = select(EventRow).order_by(EventRow.seq).where(EventRow.model == "house")
        found = [event for event in session.scalars(query) if event.type != "model_created"]
        verify(session)
    return [event for event in found if event.type != "registered"][2:]


def types(database):
    return [event.type for event in events(database)]


def open_alerts(database):
    with database.read() as session:
        rows = session.scalars(select(AlertRow).where(AlertRow.closed_at.is_(None)))
        return [(row.kind, row.subject, row.version) for row in rows]


def test_a_rollout_splits_the_alias_in_its_first_step(house):
    view = start(house, reason="better").view

    assert state(house) == ("running", {2: 9500, 3: 500}, 2)
    assert (view["version"], view["champion"], view["step"], view["revision"]) == (3, 2, 1, 1)
    assert view["reason"].startswith("Step 1 of 3, a weight of 5 %: 0 of 10 minutes have passed")
    assert view["plan"] == PLAN.to_json()
    assert view["watched"] is True
    started, split = events(house)
    assert (started.type, started.reason) == ("rollout_started", "better")
    assert (started.from_version, started.to_version) == (2, 3)
    assert split.type == "split_changed"
    assert (split.details["rollout"], split.details["step"]) == (view["id"], 1)


def test_a_rollout_goes_through_its_steps(any_house):
    start(any_house)

    assert move(any_house, "advance", reason="Step 1 passed.")["step"] == 2
    assert state(any_house) == ("running", {2: 7500, 3: 2500}, 2)

    view = move(any_house, "promote", reason="Step 2 passed.")
    assert (view["state"], view["step"], view["revision"]) == ("baking", 3, 3)
    assert state(any_house) == ("baking", {}, 3)

    view = move(any_house, "complete", reason="No guard failed.")
    assert view["state"] == "promoted"
    assert view["reason"] == "No guard failed."
    assert view["ended_at"] is not None
    assert types(any_house) == [
        *("rollout_started", "split_changed", "split_changed"),
        *("split_ended", "promoted", "rollout_ended"),
    ]
    promoted = events(any_house)[-2]
    assert promoted.reason == "Step 2 passed."
    assert promoted.details["rollout"] == view["id"]
    assert [guard["guard"] for guard in promoted.details["guards"]] == [
        guard.text for guard in PLAN.guards
    ]


def test_the_salt_stays_through_the_steps(house):
    start(house)
    with house.read() as session:
        salt = session.get_one(AliasRow, ("house", "production")).split_salt
    move(house, "advance")

    with house.read() as session:
        assert session.get_one(AliasRow, ("house", "production")).split_salt == salt


def test_a_guard_that_fails_gives_all_requests_back_to_the_champion(house):
    start(house)
    view = move(house, "roll_back", reason="The guard failed.")

    assert state(house) == ("rolled_back", {}, 2)
    assert view["cooldown_until"] is not None
    assert types(house)[2:] == ["rollout_ended", "alert_opened", "split_ended"]
    ended = events(house)[2]
    assert (ended.reason, ended.details["state"]) == ("The guard failed.", "rolled_back")
    assert open_alerts(house) == [("guard", "production", 3)]


def test_a_guard_that_fails_after_the_promotion_points_the_alias_at_the_champion(any_house):
    start(any_house)
    move(any_house, "advance")
    move(any_house, "promote")
    move(any_house, "roll_back", reason="The guard failed.")

    assert state(any_house) == ("rolled_back", {}, 2)
    assert types(any_house)[-3:] == ["rollout_ended", "alert_opened", "rolled_back"]


def test_a_held_rollout_has_one_alert_until_it_goes_on(house):
    start(house)
    move(house, "hold", reason="No requests.")

    assert state(house) == ("held", {2: 9500, 3: 500}, 2)
    assert open_alerts(house) == [("held", "production", 3)]

    move(house, "advance")
    assert open_alerts(house) == []
    assert types(house)[2:] == ["rollout_held", "alert_opened", "alert_closed", "split_changed"]


def test_the_same_plan_again_changes_nothing(house):
    first = start(house)
    again = start(house)

    assert not first.unchanged
    assert again.unchanged
    assert again.view["id"] == first.view["id"]
    assert len(events(house)) == 2


def test_another_plan_is_refused_while_a_rollout_is_in_progress(house):
    start(house)

    with pytest.raises(RolloutActive, match="version 3 under the alias 'production' is running"):
        start(house, 4)
    with pytest.raises(RolloutActive):
        start(house, plan=parse_plan({**PLAN.to_json(), "bake": 5}))


def test_a_version_that_was_rolled_back_cools_down(any_house):
    start(any_house)
    move(any_house, "roll_back")

    with pytest.raises(RolloutCoolingDown, match="Version 3 was rolled back"):
        start(any_house)
    start(any_house, 4)
    move(any_house, "abort")

    assert start(any_house, force=True, reason="it was the network").view["forced"]
    assert open_alerts(any_house) == []


def test_the_cooldown_ends(house):
    start(house)
    move(house, "roll_back")
    with house.write() as session:
        row = find_rollout(session, "house", "production")
        row.cooldown_until = utc_now() - timedelta(seconds=1)

    assert start(house).view["state"] == "running"


def test_an_aborted_rollout_may_be_started_again(house):
    start(house)
    view = by_person(house, abort_rollout, reason="not today").view

    assert (view["state"], view["reason"]) == ("aborted", "not today")
    assert state(house) == ("aborted", {}, 2)
    assert start(house).view["state"] == "running"


@pytest.mark.parametrize(("number", "error"), [(CHAMPION, RolloutRefused), (5, VersionNotReady)])
def test_a_version_that_cannot_be_rolled_out_is_refused(house, number, error):
    with pytest.raises(error):
        start(house, number)

    assert events(house) == []


def test_an_alias_that_does_not_exist_has_no_rollout(house):
    with pytest.raises(AliasNotFound):
        start(house, alias="staging")
    with pytest.raises(RolloutNotFound):
        by_person(house, abort_rollout)


def test_an_alias_that_is_split_by_hand_is_refused(house):
    split_alias(
        house,
        Preparer(),
        "house",
        SplitRequest(actor="ann", weights={2: 9000, 4: 1000}),
        evaluate_gates=passing,
    )

    with pytest.raises(SplitInTheWay):
        start(house)


def test_a_version_that_fails_a_gate_is_not_rolled_out(house):
    set_policy(house, "house", ["input_example answered"], actor="ann")

    with pytest.raises(GateFailed):
        start(house, evaluate_gates=refusing)

    assert "rollout_started" not in types(house)


def test_a_promotion_whose_gate_fails_leaves_the_rollout_as_it_was(house):
    start(house)
    set_policy(house, "house", ["input_example answered"], actor="ann")

    with pytest.raises(GateFailed):
        by_person(house, finish_rollout, evaluate_gates=refusing)

    assert state(house) == ("running", {2: 9500, 3: 500}, 2)


def test_a_rollout_that_was_started_with_force_is_promoted_only_if_its_gates_pass(house):
    set_policy(house, "house", ["input_example answered"], actor="ann")
    view = start(house, force=True, reason="it is urgent", evaluate_gates=refusing).view
    assert view["forced"]

    with pytest.raises(GateFailed):
        move(house, "promote", evaluate_gates=refusing)
    assert state(house) == ("running", {2: 9500, 3: 500}, 2)

    move(house, "promote")
    assert state(house) == ("baking", {}, 3)
    assert "forced" not in events(house)[-1].details


def test_a_rollout_is_paused_and_resumed(house):
    start(house)
    paused = by_person(house, pause_rollout, reason="lunch")
    again = by_person(house, pause_rollout)
    resumed = by_person(house, resume_rollout)

    assert (paused.view["state"], paused.view["reason"]) == ("paused", "lunch")
    assert again.unchanged
    assert resumed.view["state"] == "running"
    assert types(house)[2:] == ["rollout_paused", "rollout_resumed"]
    assert state(house) == ("running", {2: 9500, 3: 500}, 2)


def test_a_rollout_is_finished_by_a_person(house):
    start(house)
    view = by_person(house, finish_rollout, reason="it is urgent").view

    assert view["state"] == "baking"
    assert state(house) == ("baking", {}, 3)

    view = by_person(house, finish_rollout, reason="enough").view
    assert (view["state"], view["reason"]) == ("promoted", "enough")


def test_a_promoted_version_is_taken_back_by_a_person_while_it_bakes(house):
    start(house)
    by_person(house, finish_rollout)
    by_person(house, abort_rollout)

    assert state(house) == ("aborted", {}, 2)


@pytest.mark.parametrize("verb", [pause_rollout, resume_rollout, abort_rollout, finish_rollout])
def test_a_rollout_that_has_ended_stays_as_it_is(house, verb):
    start(house)
    by_person(house, abort_rollout)

    with pytest.raises(RolloutStateConflict, match="is aborted"):
        by_person(house, verb)


def test_a_rollout_that_bakes_cannot_be_paused(house):
    start(house)
    by_person(house, finish_rollout)

    with pytest.raises(RolloutStateConflict, match="is baking: cannot pause it"):
        by_person(house, pause_rollout)


@pytest.mark.parametrize("verb", [pause_rollout, abort_rollout, finish_rollout])
def test_another_revision_than_the_expected_one_is_refused(house, verb):
    revision = start(house).view["revision"]
    by_person(house, pause_rollout)
    by_person(house, resume_rollout)

    with pytest.raises(RolloutChanged, match="revision 3"):
        by_person(house, verb, expected_revision=revision)

    assert state(house)[0] == "running"


def restart(database):
    """Abort the rollout and start another one of the same version, with a longer first step."""
    by_person(database, abort_rollout)
    slower = PLAN.to_json()
    slower["steps"][0]["minutes"] = 60
    return start(database, plan=parse_plan(slower)).view


def test_a_rollout_continues_the_revisions_of_the_one_before(house):
    seen = start(house).view["revision"]
    second = restart(house)

    assert second["revision"] == 3
    for verb in (pause_rollout, abort_rollout, finish_rollout):
        with pytest.raises(RolloutChanged, match="revision 3"):
            by_person(house, verb, expected_revision=seen)
    assert state(house) == ("running", {2: 9500, 3: 500}, 2)


@pytest.mark.parametrize("revision", [1, 3])
def test_a_move_that_takes_long_is_not_made_in_the_next_rollout(any_house, revision):
    """Also where an earlier release has given it the same revision."""
    start(any_house)

    def meanwhile():
        restart(any_house)
        with any_house.write() as session:
            find_rollout(session, "house", "production").revision = revision

    with pytest.raises(RolloutChanged):
        move_rollout(
            any_house,
            Preparer(meanwhile=meanwhile),
            "house",
            "promote",
            RolloutMove(actor="keeper", alias="production"),
            evaluate_gates=passing,
        )

    assert state(any_house) == ("running", {2: 9500, 3: 500}, 2)


def test_a_decision_about_a_rollout_is_not_carried_out_on_the_next_one(house):
    decided = start(house).view
    restart(house)
    with house.write() as session:  # as an earlier release has counted
        find_rollout(session, "house", "production").revision = decided["revision"]

    with pytest.raises(RolloutChanged):
        move(house, "abort", rollout=decided["id"], expected_revision=decided["revision"])

    assert state(house)[0] == "running"


def test_a_repeat_of_a_request_that_changed_nothing_starts_no_rollout(house):
    key = Idempotency(add_token(house), "two", "a")
    start(house)
    first = start(house, idempotency=key)
    by_person(house, abort_rollout)

    again = start(house, idempotency=key)

    assert (first.unchanged, again.replayed) == (True, True)
    assert again.view == first.view
    with house.read() as session:
        assert find_rollout(session, "house", "production").state == "aborted"


def test_a_repeated_request_is_answered_as_the_first_one(house):
    token = add_token(house)
    key = Idempotency(token, "one", "a")
    first = start(house, idempotency=key)
    by_person(house, pause_rollout)
    again = start(house, idempotency=key)

    assert again.replayed
    assert again.view == first.view
    with pytest.raises(IdempotencyKeyReused):
        start(house, idempotency=Idempotency(token, "one", "b"))

    key = Idempotency(token, "two", "a")
    first = by_person(house, abort_rollout, idempotency=key)
    again = by_person(house, abort_rollout, idempotency=key)
    assert (again.replayed, again.view) == (True, first.view)


def _started(database, prepare, key):
    with database.read() as session:
        generation = session.get_one(ModelRow, "house").generation
    request = RolloutRequest(
        actor="ann", plan=PLAN, expected_generation=generation, idempotency=key
    )
    return start_rollout(database, prepare, "house", "3", request, evaluate_gates=passing)


def _steered(verb):
    def steer(database, prepare, key):
        request = RolloutMove(actor="bob", alias="production", idempotency=key)
        return verb(database, prepare, "house", request, evaluate_gates=passing)

    return steer


def _ready(_database):
    pass


def _baking(database):
    start(database)
    move(database, "promote")


@pytest.mark.parametrize(
    ("before", "request_"),
    [
        (_ready, _started),
        (start, _steered(finish_rollout)),
        (_baking, _steered(abort_rollout)),
    ],
)
def test_a_repeat_that_prepares_while_the_first_request_commits_is_replayed(
    house, before, request_
):
    key = Idempotency(add_token(house), "one", "a")
    before(house)
    first = []
    again = request_(
        house, Preparer(meanwhile=lambda: first.append(request_(house, Preparer(), key))), key
    )

    assert not first[0].replayed
    assert again.replayed
    assert again.view == first[0].view
    assert again.view["state"] != "ended"


@pytest.mark.parametrize(
    ("before", "verb"), [(start, abort_rollout), (_baking, finish_rollout), (start, pause_rollout)]
)
def test_a_repeat_that_waits_for_the_first_request_is_replayed(any_house, before, verb):
    before(any_house)
    key = Idempotency(add_token(any_house), "one", "a")
    with ThreadPoolExecutor(1) as threads:
        with any_house.write() as session:
            locked_model(session, "house")
            repeat = threads.submit(by_person, any_house, verb, idempotency=key)
            time.sleep(0.3)
            store_answer(session, key, {"state": "of the first"})

        result = repeat.result(10)
    assert (result.replayed, result.view) == (True, {"state": "of the first"})


@pytest.mark.parametrize(
    ("cause_and_text", "baking"),
    each_once(
        [
            (lambda db: go(db, 4, end_split=True), "a version was promoted"),
            (
                lambda db: rollback(
                    db,
                    Preparer(),
                    "house",
                    PromotionRequest(actor="ann"),
                    to_version=1,
                    evaluate_gates=passing,
                ),
                "it was rolled back",
            ),
            (lambda db: delete_alias(db, "house", "production", actor="ann"), "it was deleted"),
            (lambda db: archive_model(db, "house", actor="ann"), "its model was archived"),
        ],
        [False, True],
    ),
)
def test_whoever_else_moves_the_alias_ends_the_rollout(house, cause_and_text, baking):
    cause, says = cause_and_text
    start(house)
    if baking:
        move(house, "promote")
    cause(house)

    with house.read() as session:
        row = session.scalars(select(RolloutRow)).one()
        assert row.state == "ended"
        assert row.reason == (f"ann changed the alias 'production' during the rollout: {says}.")
        assert weights_of(session, "house", "production") == {}
    assert types(house).count("rollout_ended") == 1


@pytest.mark.parametrize(
    "cause",
    [
        lambda db: go(db, 3),
        lambda db: end_split(db, "house", AliasRequest(actor="ann")),
        lambda db: split_alias(
            db,
            Preparer(),
            "house",
            SplitRequest(actor="ann", weights={2: 5000, 3: 5000}),
            evaluate_gates=passing,
        ),
        lambda db: rollback(
            db, Preparer(), "house", PromotionRequest(actor="ann"), evaluate_gates=passing
        ),
    ],
)
def test_whoever_else_changes_the_split_ends_the_rollout(house, cause):
    start(house)
    cause(house)

    assert state(house)[0] == "ended"


def test_what_changes_nothing_does_not_end_a_rollout(house):
    start(house)
    split_alias(
        house,
        Preparer(),
        "house",
        SplitRequest(actor="ann", weights={2: 9500, 3: 500}),
        evaluate_gates=passing,
    )
    move(house, "promote")
    go(house, 3)

    assert state(house)[0] == "baking"


def test_a_canary_is_not_archived(house):
    start(house)

    with pytest.raises(VersionHasAlias):
        archive_version(house, "house", "3", actor="ann")


def test_the_version_that_a_guard_would_roll_back_to_is_not_archived(house):
    start(house)
    move(house, "promote")

    with pytest.raises(VersionHasAlias):
        archive_version(house, "house", "2", actor="ann")

    move(house, "complete")
    archive_version(house, "house", "2", actor="ann")


def test_of_simultaneous_moves_one_is_made(any_house):
    start(any_house)

    def once(_):
        try:
            return move(any_house, "advance", expected_revision=1)["step"]
        except RolloutChanged:
            return "refused"

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(once, range(4)))

    assert sorted(results, key=str) == [2, "refused", "refused", "refused"]
    assert types(any_house) == ["rollout_started", "split_changed", "split_changed"]


def test_of_simultaneous_starts_one_is_made(any_house):
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: start(any_house), range(4)))

    assert len({result.view["id"] for result in results}) == 1
    assert types(any_house) == ["rollout_started", "split_changed"]


def test_of_simultaneous_repeats_that_change_nothing_one_is_replayed(any_house):
    view = start(any_house).view
    key = Idempotency(add_token(any_house), "same", "a")
    with ThreadPoolExecutor(1) as threads:
        with any_house.write() as session:
            locked_model(session, "house")
            store_answer(session, key, view)
            repeat = threads.submit(start, any_house, idempotency=key)
            time.sleep(0.3)
            announced = announcements(any_house)

        assert repeat.result(10).replayed
    assert announced[-2:] == ["announced", "confirmed"]


def test_a_rollout_that_has_begun_is_announced_and_confirmed_before_that_is_stated(house):
    start(house)
    announced = announcements(house)

    assert start(house).unchanged
    assert announced == ["announced", "confirmed"]


def announcements(database):
    """What is done from now on so that changes hold."""
    said = []
    database.committed = lambda: said.append("announced")
    database.confirmed = lambda: said.append("confirmed")
    return said


def test_what_was_counted_is_stored_with_the_move(house):
    start(house)
    with house.read() as session:
        observed = observed_of(find_rollout(session, "house", "production"))
    sources = {"one": {2: (0, (5,)), 3: (0, (1,))}}
    seen = type(observed).from_json({**observed.to_json(), "sources": sources})
    move(house, "advance", observed=seen)

    with house.read() as session:
        stored = observed_of(find_rollout(session, "house", "production"))
    assert stored == seen.next_step()
