"""A change that is committed is confirmed, or said to be committed, whatever the store raises."""

import pytest

from registry.errors import DatabaseUnavailable, StorageFull
from registry.hosts.promoter import Promoter, Silences
from registry.hosts.store import Presence
from tests.unit.registry.hosts.simulated_database import SimulatedDatabase

LEASE, PATIENCE = 1000, 300
OTHER = Presence("other", 7, "1.0", 2)


class Time:
    """A clock, which goes on by one between two steps."""

    now = 0

    def __call__(self):
        return self.now


class FailingDatabase(SimulatedDatabase):
    """Raises what ``faults`` has by the name of a call."""

    def __init__(self, clock):
        super().__init__(clock)
        self.faults = {}

    def notify(self):
        self._call("notify")

    def head(self):
        self._call("head")
        return super().head()

    def unacknowledged(self, seq):
        self._call("unacknowledged")
        return super().unacknowledged(seq)

    def _call(self, name):
        if name in self.faults:
            raise self.faults[name]


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def database(time):
    """A change that the other host has not acknowledged."""
    database = FailingDatabase(time)
    database.present(OTHER, "live", LEASE)
    database.change(1)
    return database


@pytest.fixture
def confirm(time, database):
    """Takes the steps of a confirmation. ``faults`` last until ``until``."""

    def take(until, **faults):
        database.faults = faults
        promoter = Promoter(database, "one", page=None, clock=time, silences=Silences(time))
        confirming = promoter.confirm(PATIENCE)
        while True:
            try:
                next(confirming)
            except StopIteration as end:
                return end.value
            time.now += 1
            if time.now >= until:
                database.faults = {}

    return take


@pytest.mark.parametrize("fault", [StorageFull(), ValueError("a fault that nobody expected")])
@pytest.mark.parametrize("call", ["notify", "head", "unacknowledged"])
def test_a_fault_of_any_kind_delays_a_confirmation_and_does_not_end_it(
    time, confirm, fault, call, caplog
):
    assert confirm(until=100, **{call: fault}) == ("other",)
    assert LEASE <= time.now < LEASE + 10
    logged = [record.getMessage() for record in caplog.records]
    assert len(logged) == 1, "once, however often it is tried"
    assert type(fault).__name__ in logged[0]


def test_hosts_that_cannot_be_woken_are_waited_for(time, confirm):
    assert confirm(until=2 * LEASE, notify=StorageFull()) == ("other",)
    assert LEASE <= time.now < LEASE + 10


@pytest.mark.parametrize("fault", [StorageFull(), ValueError("a fault that nobody expected")])
def test_a_change_is_said_to_be_committed_where_nobody_can_tell_who_knows_it(confirm, fault):
    with pytest.raises(DatabaseUnavailable, match="Idempotency-Key"):
        confirm(until=2 * LEASE, head=fault)
