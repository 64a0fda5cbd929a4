"""The keys of a split that hosts with one database answer: each shows the sum."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from registry.gates.results import GateResult
from registry.live.loaded_split import LoadedSplit, UnloadedArm
from registry.live.references import Alias, read_references
from registry.operations.promote import PromotionRequest, promote
from registry.operations.report_shares import report_shares
from registry.operations.split_alias import SplitRequest, split_alias
from registry.operations.store_key_counts import store_key_counts
from registry.storage.alert_tables import AlertRow
from registry.storage.database import Database
from registry.storage.split_tables import SplitCountsRow
from registry.storage.tables import utc_now
from registry.watching.key_counts import KeyCounts, WorkerKeys
from registry.watching.keys_of_hosts import counts_of_others
from registry.watching.recent_faults import RecentFaults, counting_began
from registry.watching.split_shares import SplitShares, read_shares
from tests.factories import add_versions, ungated
from tests.fakes import Preparer
from tests.postgresql import PostgreSql

ALIAS = Alias("house", "production")


def passing(inputs: Any) -> list[GateResult]:
    return [GateResult(gate=gate.text, passed=True) for gate in inputs.gates]


class Host:
    """A host whose worker serves the split of the database, with counts in ``folder``."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        folder.mkdir()
        RecentFaults(folder).close()
        self.split = self._read_split()
        self.worker = WorkerKeys(folder, lambda: {ALIAS: self.split})

    def _read_split(self) -> Any:
        with self.database.read() as session:
            return read_references(session, ["house"]).splits[ALIAS]

    def ask(self, keys: list[str], lost: int | None = None) -> None:
        """Answer a request with each key, but for those of the version that is ``lost``."""
        arms = [UnloadedArm(("house", number), None) for number in self.split.numbers]
        answering = LoadedSplit(self.split, arms)
        for key in keys:
            if self.split.number_of(key.encode()) != lost:
                answering.choose(key, "request-id")
        self.worker.flush()

    def store(self) -> None:
        store_key_counts(self.database, self.folder)

    def shares(self) -> SplitShares | None:
        with self.database.read() as session:
            others = counts_of_others(session, ALIAS, self.split, counting_began(self.folder))
            return read_shares(self.folder, ALIAS, self.split, others=others)


@pytest.fixture
def database(postgresql: PostgreSql) -> Iterator[Database]:
    url = postgresql.create(migrated=True)
    database = Database(url)
    add_versions(database, "house", ["ready"] * 2)
    promote(
        database, Preparer(), "house", "1", PromotionRequest(actor="ann"), evaluate_gates=ungated
    )
    weigh(database, {1: 8_000, 2: 2_000})
    yield database
    database.dispose()
    postgresql.drop(url)


def weigh(database: Database, weights: dict[int, int]) -> None:
    request = SplitRequest(actor="ann", weights=weights)
    split_alias(database, Preparer(), "house", request, evaluate_gates=passing)


@pytest.fixture
def hosts(database: Database, tmp_path: Path) -> Iterator[list[Host]]:
    made = [Host(database, tmp_path / name) for name in ("a", "b", "all")]
    yield made
    for host in made:
        host.worker.close()


def keys(name: str, count: int = 3_000) -> list[str]:
    return [f"{name}-{number}" for number in range(count)]


def test_two_hosts_show_what_one_would_that_had_answered_all(hosts: list[Host]) -> None:
    one, other, alone = hosts
    one.ask([*keys("first"), *keys("both"), *["heavy"] * 500])
    other.ask([*keys("second"), *keys("both"), *["heavy"] * 700])
    alone.ask([*keys("first"), *keys("second"), *keys("both") * 2, *["heavy"] * 1_200])
    expected = alone.shares()
    assert one.shares() != expected

    for _ in range(2):  # what was stored is replaced, not added to
        one.store()
        other.store()

    assert one.shares() == other.shares() == expected
    assert expected is not None
    assert expected.keys == pytest.approx(9_001, rel=0.06)


def test_counts_of_other_weights_are_not_added(hosts: list[Host], database: Database) -> None:
    one, other, _ = hosts
    one.ask(keys("first", 100))
    other.ask(keys("second", 100))
    other.store()
    weigh(database, {1: 7_000, 2: 3_000})
    one.split = one._read_split()
    one.ask(keys("first", 50))

    shares = one.shares()

    assert shares is not None
    assert shares.keys == 50


def test_counts_of_a_host_that_is_gone_end_after_two_hours(
    hosts: list[Host], database: Database
) -> None:
    one, other, _ = hosts
    one.ask(keys("first", 100))
    other.ask(keys("second", 100))
    other.store()
    with database.write() as session:
        session.execute(update(SplitCountsRow).values(at=utc_now() - timedelta(hours=3)))

    shares = one.shares()
    assert shares is not None
    assert shares.keys == 100

    one.store()
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(SplitCountsRow)) == 1


def test_callers_that_only_another_host_loses_are_reported(
    hosts: list[Host], database: Database
) -> None:
    one, other, _ = hosts
    one.ask(keys("first", 500))
    other.ask(keys("second"), lost=2)
    other.store()

    report_shares(database, one.folder)

    with database.read() as session:
        found = session.scalars(select(AlertRow.version).order_by(AlertRow.version)).all()
    assert found == [1, 2]


def test_counts_are_the_same_after_they_were_stored(hosts: list[Host]) -> None:
    hosts[0].ask(keys("first", 10_000))
    hosts[0].store()
    with hosts[0].database.read() as session:
        (content,) = session.scalars(select(SplitCountsRow.content)).all()

    stored = KeyCounts.from_bytes(content)

    assert stored.figures(hosts[0].split) is not None
    assert KeyCounts.from_bytes(stored.to_bytes()).to_bytes() == content
    assert len(content) < 45_000
    with pytest.raises(ValueError, match="no counts of keys"):
        KeyCounts.from_bytes(b"else")
