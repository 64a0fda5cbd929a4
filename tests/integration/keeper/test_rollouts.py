"""Rollouts as the keeper moves them, in simulated time, on a real database."""

import threading
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from keeper.rollouts import RolloutWatcher
from registry.errors import DatabaseBusy, PlanMalformed, ScoringBusy, VersionNotLoadable
from registry.gates.results import GateResult
from registry.operations.hold_lease import HELD, hold_lease
from registry.operations.move_rollout import RolloutMove
from registry.operations.promote import PromotionRequest, promote
from registry.operations.set_policy import set_policy
from registry.operations.start_rollout import RolloutRequest, start_rollout
from registry.operations.steer_rollout import finish_rollout, pause_rollout
from registry.reading.splits import weights_of
from registry.rollouts.observed import Totals
from registry.rollouts.plan import parse_plan
from registry.storage.alert_tables import AlertRow
from registry.storage.database import Database
from registry.storage.history import verify
from registry.storage.rollout_tables import LeaseRow, RolloutCountsRow, RolloutRow
from registry.storage.tables import AliasRow, EventRow, utc_now
from registry.watching.rollouts import find_rollout, observed_of, rollout_view
from tests.factories import add_versions
from tests.fakes import Preparer

CHAMPION, CANARY = 1, 2
PLAN = {
    "steps": [
        {"weight": 10, "minutes": 0.25, "requests": 50},
        {"weight": 50, "minutes": 0.25, "requests": 50},
        {"weight": 100},
    ],
    "bake": 0.25,
}
SECOND = timedelta(seconds=1)


class Clock:
    def __init__(self):
        self.now = utc_now()

    def __call__(self):
        return self.now


class Server:
    """What a server has counted: ``rate`` is requests a second, ``faults`` the canary's share."""

    def __init__(self, name="a", rate=100, faults=0.0):
        self.name, self.rate, self.faults = name, rate, faults
        self._totals = {CHAMPION: [0, 0], CANARY: [0, 0]}

    def serve(self, weight):
        for number, share, bad in (
            (CANARY, weight, self.faults),
            (CHAMPION, 1 - weight, 0.0),
        ):
            requests = round(self.rate * share)
            failed = round(requests * bad)
            self._totals[number][0] += failed
            self._totals[number][1] += requests - failed

    def read(self):
        return self

    def begun_since(self, _moment):
        return {}

    def of(self, model, alias):
        assert (model, alias) == ("house", "production")
        return {
            self.name: {
                number: Totals(faults, (0, answered))
                for number, (faults, answered) in self._totals.items()
            }
        }


def at_once(call):
    """In place of a thread: the result is there at the next look."""
    future = Future()
    try:
        future.set_result(call())
    except Exception as error:  # noqa: BLE001 - as in a thread
        future.set_exception(error)
    return future


def passing(inputs):
    return [GateResult(gate=gate.text, passed=True) for gate in inputs.gates]


class House:
    """A database with a rollout, its servers, and the time."""

    def __init__(self, database):
        self.database = database
        self.clock = Clock()
        self.servers = [Server()]
        self.gates = passing
        self.prepare = Preparer()
        add_versions(database, "house", ["ready"] * 3)
        self.promote(CHAMPION)

    def promote(self, number, **more):
        request = PromotionRequest(actor="ann", **more)
        promote(self.database, Preparer(), "house", str(number), request, evaluate_gates=passing)

    def start(self, **more):
        request = RolloutRequest(actor="ann", plan=parse_plan({**PLAN, **more}))
        start_rollout(
            self.database, Preparer(), "house", str(CANARY), request, evaluate_gates=passing
        )

    def watcher(self, server=None, database=None, begin=at_once, clock=None):
        return RolloutWatcher(
            database or self.database,
            self.prepare,
            self.evaluate,
            (server or self.servers[0]).read,
            clock=clock or self.clock,
            database_clock=lambda _: self.clock(),
            begin=begin,
        )

    def evaluate(self, inputs):
        return self.gates(inputs)

    def seconds(self, count, *watchers):
        """So many seconds with requests, in each of which all of ``watchers`` look."""
        for _ in range(count):
            weight = self.weight()
            for server in self.servers:
                server.serve(weight)
            self.clock.now += SECOND
            for watcher in watchers:
                watcher.look()

    def weight(self):
        """The canary's share at present."""
        with self.database.read() as session:
            weights = weights_of(session, "house", "production")
            if weights:
                return weights[CANARY] / 10_000
            return float(session.get_one(AliasRow, ("house", "production")).number == CANARY)

    def row(self):
        with self.database.read() as session:
            return find_rollout(session, "house", "production")

    def events(self):
        """The types of the events since the start, and the steps that they name."""
        with self.database.read() as session:
            verify(session)
            query = select(EventRow).where(EventRow.model == "house").order_by(EventRow.seq)
            found = session.scalars(query).all()
        first = next(i for i, event in enumerate(found) if event.type == "rollout_started")
        return found[first:]

    def types(self):
        return [event.type for event in self.events()]


@pytest.fixture
def house(sqlite_database):
    return House(sqlite_database)


@pytest.fixture
def any_house(database):
    """On both databases."""
    return House(database)


def test_a_version_like_the_champion_is_promoted_step_by_step(any_house):
    any_house.start()
    any_house.seconds(60, any_house.watcher())

    assert any_house.types() == [
        *("rollout_started", "split_changed", "split_changed"),
        *("split_ended", "promoted", "rollout_ended"),
    ]
    row = any_house.row()
    assert (row.state, row.reason) == ("promoted", "No guard failed within 0.25 minutes.")
    promoted = any_house.events()[-2]
    assert (promoted.actor, promoted.to_version) == ("keeper", CANARY)
    assert promoted.reason == (
        "Step 2 of 3, a weight of 50 %, passed; it was the last before the promotion."
    )


def test_a_canary_that_fails_is_rolled_back_with_its_figures_in_the_history(any_house):
    any_house.servers = [Server(faults=0.2)]
    any_house.start()
    any_house.seconds(10, any_house.watcher())

    assert any_house.weight() == 0
    assert any_house.types()[2:] == ["rollout_ended", "alert_opened", "split_ended"]
    ended = any_house.events()[2]
    faults = ended.details["guards"][0]
    assert faults["verdict"] == "failed"
    assert faults["canary"]["bad"] > 0
    assert ended.reason.startswith("The guard 'faults <= champion * 2 + 0.5%' failed: ")
    assert f"{faults['canary']['bad']:,} of {faults['canary']['requests']:,}" in ended.reason


def test_a_canary_that_breaks_after_the_promotion_is_rolled_back(house):
    house.start()
    watcher = house.watcher()
    house.seconds(33, watcher)
    assert house.row().state == "baking"

    house.servers[0].faults = 0.2
    house.seconds(5, watcher)

    assert house.weight() == 0
    assert house.types()[-3:] == ["rollout_ended", "alert_opened", "rolled_back"]


def test_a_rollback_after_the_promotion_that_fails_opens_an_alert_and_is_tried_again(house):
    house.start()
    watcher = house.watcher()
    house.seconds(33, watcher)
    house.servers[0].faults = 0.2
    house.prepare = Preparer(fails_with=VersionNotLoadable("house", CHAMPION, "it was lost"))
    failing = house.watcher()
    for _ in range(12):
        _look_in_vain(house, failing)

    assert house.row().state == "baking"
    assert house.types()[-1:] == ["alert_opened"]
    with house.database.read() as session:
        (alert,) = session.scalars(select(AlertRow)).all()
    assert (alert.kind, alert.subject, alert.version) == ("rollout", "production", CANARY)
    assert alert.message.startswith("Version 2 cannot be rolled back to version 1: ")
    assert "it was lost" in alert.message
    assert "The guard 'faults <= champion * 2 + 0.5%' failed" in alert.message
    assert len(house.prepare.prepared) >= 2

    house.prepare = Preparer()
    house.seconds(6, house.watcher())

    assert house.row().state == "rolled_back"
    assert house.types()[-4:] == ["rollout_ended", "alert_closed", "alert_opened", "rolled_back"]


def test_guards_are_looked_at_while_the_version_before_is_prepared_after_the_promotion(house):
    begun = []

    def begin(call):
        begun.append((call, Future()))
        return begun[-1][1]

    house.start()
    house.seconds(33, house.watcher())
    watcher = house.watcher(begin=begin)
    house.servers[0].faults = 0.2
    house.seconds(5, watcher)
    requests = observed_of(house.row()).whole.canary.requests
    house.seconds(6, watcher)

    assert house.row().state == "baking"
    assert observed_of(house.row()).whole.canary.requests >= requests + 500
    ((call, future),) = begun
    future.set_result(call())
    house.seconds(1, watcher)

    assert house.row().state == "rolled_back"
    assert house.weight() == 0


def _look_in_vain(house, watcher):
    with suppress(VersionNotLoadable):
        house.seconds(1, watcher)


def test_without_requests_it_is_held_with_one_alert_and_goes_on_when_they_return(house):
    house.start()
    watcher = house.watcher()
    house.servers[0].rate = 0
    house.seconds(40, watcher)

    assert house.row().state == "held"
    assert house.types()[2:] == ["rollout_held", "alert_opened"]

    house.servers[0].rate = 100
    house.seconds(10, watcher)
    assert house.types()[4:] == ["alert_closed", "split_changed"]
    assert house.row().state == "running"


@pytest.mark.parametrize("every", [3, 7, 23])
def test_a_keeper_that_is_killed_again_and_again_makes_each_step_once(house, every):
    house.start()
    for second in range(60):
        if second % every == 0:
            watcher = house.watcher()
        house.seconds(1, watcher)

    assert house.types() == [
        *("rollout_started", "split_changed", "split_changed"),
        *("split_ended", "promoted", "rollout_ended"),
    ]


def test_what_was_counted_while_no_keeper_ran_counts(house):
    house.start(steps=[{"weight": 10, "minutes": 10}, {"weight": 100}])
    house.seconds(20, house.watcher())
    stored = observed_of(house.row()).whole.canary.requests
    house.seconds(30)
    house.seconds(6, house.watcher())

    canary = observed_of(house.row()).whole.canary.requests
    assert canary == pytest.approx(10 * 56, abs=60)
    assert canary - stored >= 30 * 10


def test_two_keepers_make_each_move_once(any_house):
    """On SQLite too, where a lock prevents it: each is refused what the other has done."""
    any_house.start()
    one, other = any_house.watcher(), any_house.watcher()
    any_house.seconds(60, one, other)

    assert any_house.types() == [
        *("rollout_started", "split_changed", "split_changed"),
        *("split_ended", "promoted", "rollout_ended"),
    ]


def test_simultaneous_keepers_make_each_move_once(any_house):
    any_house.start()
    watchers = [any_house.watcher(), any_house.watcher()]
    any_house.seconds(1, *watchers)
    for _ in range(55):
        any_house.seconds(1)
        threads = [threading.Thread(target=_look, args=[watcher]) for watcher in watchers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [kind for kind in any_house.types() if kind != "rollout_ended"] == [
        *("rollout_started", "split_changed", "split_changed", "split_ended", "promoted"),
    ]


def _look(watcher):
    """As the loop of the keeper does, which looks again after a failure."""
    with suppress(DatabaseBusy):
        watcher.look()


@pytest.fixture
def shared(postgresql):
    """A database that several hosts share."""
    url = postgresql.create(migrated=True)
    database = Database(url)
    yield House(database)
    database.dispose()
    postgresql.drop(url)


def test_the_keeper_with_the_lease_decides_by_the_counts_of_all_hosts(shared):
    """The canary fails on the other host alone."""
    mine, others = Server("mine"), Server("theirs", faults=0.3)
    shared.servers = [mine, others]
    shared.start()
    deciding, other = shared.watcher(mine), shared.watcher(others)
    shared.seconds(15, deciding, other)

    assert shared.row().state == "rolled_back"
    counted = observed_of(shared.row()).sources
    assert set(counted) == {"mine", "theirs"}
    with shared.database.read() as session:
        assert session.scalar(select(func.count()).select_from(RolloutCountsRow)) == 0


def test_another_keeper_decides_when_the_lease_has_expired(shared):
    shared.start()
    first, second = shared.watcher(), shared.watcher()
    shared.seconds(5, first, second)
    shared.seconds(70, second)

    assert shared.row().state == "promoted"
    assert shared.types().count("split_changed") == 2


def test_a_lease_has_one_holder_until_it_expires(shared):
    began = utc_now()

    def holds(holder, after, name="x"):
        return hold_lease(shared.database, name, holder, lambda _: began + after)

    assert holds("one", 0 * SECOND)
    assert not holds("other", 14 * SECOND)
    assert holds("one", 14 * SECOND)
    assert not holds("other", 28 * SECOND)
    assert holds("other", 14 * SECOND + HELD)
    assert not holds("one", 15 * SECOND + HELD)
    assert holds("one", 0 * SECOND, name="y")


def test_a_lease_lasts_by_the_clock_of_the_database(shared):
    assert hold_lease(shared.database, "x", "one")
    assert not hold_lease(shared.database, "x", "other")

    with shared.database.write() as session:
        session.execute(text("UPDATE leases SET expires = expires - interval '15 seconds'"))

    assert hold_lease(shared.database, "x", "other")
    with shared.database.read() as session:
        left = session.scalar(text("SELECT expires - clock_timestamp() FROM leases"))
    assert HELD - 10 * SECOND < left < HELD


def test_a_keeper_whose_clock_is_wrong_takes_no_lease_from_another(shared):
    shared.start()
    right, wrong = shared.watcher(), shared.watcher(clock=lambda: shared.clock() + HELD)
    right.look()
    wrong.look()

    with shared.database.read() as session:
        assert session.scalars(select(LeaseRow.epoch)).one() == 1


def test_a_move_that_is_refused_waits_for_a_person(house):
    house.start()
    watcher = house.watcher()
    set_policy(house.database, "house", ["input_example answered"], actor="ann")
    house.gates = lambda inputs: [GateResult(gate=g.text, passed=False) for g in inputs.gates]
    house.seconds(40, watcher)

    row = house.row()
    assert (row.state, row.blocked, row.step) == ("held", True, 1)
    assert row.reason.startswith(
        "The next move was refused: Version 2 of 'house' fails the gate 'input_example answered'"
    )
    with house.database.read() as session:
        assert session.scalars(select(AlertRow.kind)).all() == ["held"]


def test_a_move_that_is_impossible_at_present_is_tried_again(house):
    house.start()
    watcher = house.watcher()
    set_policy(house.database, "house", ["input_example answered"], actor="ann")
    house.seconds(16, watcher)

    def busy(inputs):
        raise ScoringBusy

    house.gates = busy
    for _ in range(20):
        _look_busily(house, watcher)
    assert (house.row().state, house.row().step) == ("running", 1)

    house.gates = passing
    house.seconds(10, watcher)
    assert house.row().state == "baking"


def _look_busily(house, watcher):
    with suppress(ScoringBusy):
        house.seconds(1, watcher)


def test_requirements_are_evaluated_at_the_end_of_each_step(house):
    asked = []

    def evaluate(inputs):
        asked.append([gate.text for gate in inputs.gates])
        return passing(inputs)

    house.gates = evaluate
    house.start(require=["input_example answered"])
    house.seconds(33, house.watcher())

    assert house.row().state == "baking"
    assert [gates for gates in asked if gates] == [["input_example answered"]] * 2


def test_a_requirement_that_fails_rolls_back(house):
    house.gates = lambda inputs: [
        GateResult(gate=gate.text, passed=False, reason="it was not answered")
        for gate in inputs.gates
    ]
    house.start(require=["input_example answered"])
    house.seconds(17, house.watcher())

    row = house.row()
    assert row.state == "rolled_back"
    assert row.reason == (
        "Step 1 of 3, a weight of 10 %: the requirement 'input_example answered' failed (it was "
        "not answered)."
    )


def test_requirements_that_cannot_be_evaluated_hold_it_and_are_tried_again(house):
    tried = []

    def busy(inputs):
        tried.append(house.clock.now)
        raise ScoringBusy

    house.gates = busy
    house.start(require=["input_example answered"])
    watcher = house.watcher()
    house.seconds(110, watcher)

    assert house.row().state == "held"
    assert 3 <= len(tried) <= 5

    house.gates = passing
    house.seconds(32, watcher)
    assert house.row().step == 1


def test_guards_are_looked_at_while_a_move_is_prepared(house):
    """Preparing takes longer than the canary needs to fail: what was prepared is refused."""
    waiting = threading.Event()
    moves = []

    def in_thread(call):
        future = Future()

        def run():
            waiting.wait(20)
            try:
                future.set_result(call())
            except Exception as error:  # noqa: BLE001 - the future has it
                future.set_exception(error)

        thread = threading.Thread(target=run)
        moves.append((thread, future))
        thread.start()
        return future

    house.start()
    watcher = house.watcher(begin=in_thread)
    house.seconds(16, watcher)
    house.servers[0].faults = 0.5
    house.seconds(10, watcher)
    waiting.set()
    (thread, future), *_ = moves
    thread.join()

    assert house.row().state == "rolled_back"
    assert future.exception() is not None
    assert house.weight() == 0


def test_a_person_who_is_faster_is_obeyed(house):
    house.start()
    watcher = house.watcher()
    house.seconds(10, watcher)
    pause_rollout(house.database, "house", RolloutMove(actor="bob", alias="production"))
    house.seconds(20, watcher)
    assert house.row().state == "paused"

    finish_rollout(
        house.database,
        Preparer(),
        "house",
        RolloutMove(actor="bob", alias="production", at=house.clock.now),
        evaluate_gates=passing,
    )
    house.seconds(2, watcher)
    assert house.row().state == "baking"


def test_a_rollout_that_was_ended_is_let_alone(house):
    house.start()
    watcher = house.watcher()
    house.seconds(10, watcher)
    house.promote(3, end_split=True)
    house.seconds(20, watcher)

    assert house.row().state == "ended"
    assert house.types()[-1] == "promoted"


def test_a_rollout_is_watched_as_long_as_a_keeper_looks(house):
    house.start()
    house.seconds(10, house.watcher())

    row = house.row()
    assert rollout_view(row, row.evidence_at + 60 * SECOND)["watched"]
    assert not rollout_view(row, row.evidence_at + 61 * SECOND)["watched"]


def start_another(database):
    """Start a rollout of another model."""
    add_versions(database, "cabin", ["ready"] * 2)
    request = PromotionRequest(actor="ann")
    promote(database, Preparer(), "cabin", "1", request, evaluate_gates=passing)
    start_rollout(
        database,
        Preparer(),
        "cabin",
        "2",
        RolloutRequest(actor="ann", plan=parse_plan(PLAN)),
        evaluate_gates=passing,
    )


@pytest.mark.parametrize(
    ("damage", "error"), [({"plan": {}}, PlanMalformed), ({"evidence": {}}, ValueError)]
)
def test_a_rollout_that_cannot_be_read_does_not_keep_others_from_being_watched(
    house, damage, error
):
    start_another(house.database)
    with house.database.write() as session:
        session.execute(update(RolloutRow).values(damage))
    house.start()
    house.servers = [Server(faults=0.5)]
    watcher = house.watcher()
    for _ in range(10):
        with pytest.raises(error):
            house.seconds(1, watcher)

    assert house.row().state == "rolled_back"


def test_a_failure_of_one_rollout_does_not_keep_others_from_being_watched(house):
    start_another(house.database)
    house.start()
    house.servers = [Server(faults=0.5)]

    class Unreadable(Server):
        def of(self, model, alias):
            if model == "cabin":
                raise OSError("gone")
            return super().of(model, alias)

    house.servers = [Unreadable(faults=0.5)]
    watcher = house.watcher()
    for _ in range(10):
        with pytest.raises(OSError, match="gone"):
            house.seconds(1, watcher)

    assert house.row().state == "rolled_back"
    with house.database.read() as session:
        states = session.scalars(select(RolloutRow.state).order_by(RolloutRow.id)).all()
    assert states == ["running", "rolled_back"]
