"""The alert about a split whose keys do not all arrive."""

import pytest
from sqlalchemy import select

from registry.gates.results import GateResult
from registry.live.loaded_split import LoadedSplit, UnloadedArm
from registry.live.references import Alias, read_references
from registry.operations.alias_requests import AliasRequest
from registry.operations.delete_alias import delete_alias
from registry.operations.end_split import end_split
from registry.operations.open_alert import open_alert
from registry.operations.promote import PromotionRequest, promote
from registry.operations.report_shares import report_shares
from registry.operations.split_alias import SplitRequest, split_alias
from registry.storage.alert_tables import AlertRow
from registry.storage.history import verify
from registry.watching.key_counts import WorkerKeys
from tests.factories import add_versions, ungated
from tests.fakes import Preparer

ALIAS = Alias("house", "production")


def passing(inputs):
    return [GateResult(gate=gate.text, passed=True) for gate in inputs.gates]


@pytest.fixture
def split(either_database):
    """Production of a model is split: version 1 has 80 %, version 2 has 20 %."""
    database = either_database
    add_versions(database, "house", ["ready"] * 3)
    promote(
        database, Preparer(), "house", "1", PromotionRequest(actor="ann"), evaluate_gates=ungated
    )
    split_over(database, {1: 8_000, 2: 2_000})
    with database.read() as session:
        return read_references(session, ["house"]).splits[ALIAS]


@pytest.fixture
def ask(split, tmp_path):
    """Counts requests with keys of which ``arrive`` says whether they arrive."""
    worker = WorkerKeys(tmp_path, lambda: {ALIAS: split})
    answering = LoadedSplit(split, [UnloadedArm(("house", one), None) for one in split.numbers])

    def count(name, arrive):
        for number in range(1_000):
            key = f"{name}-{number}"
            if arrive(split.number_of(key.encode()), number):
                answering.choose(key, "request-id")
        worker.flush()

    yield count
    worker.close()


def alerts(database):
    with database.read() as session:
        rows = session.scalars(select(AlertRow).order_by(AlertRow.version)).all()
        return [(row.version, row.message, row.closed_at is None) for row in rows]


def test_a_version_that_loses_callers_opens_an_alert_until_they_return(
    either_database, ask, tmp_path
):
    ask("first", lambda version, number: version == 1 or number % 3 == 0)
    report_shares(either_database, tmp_path)
    report_shares(either_database, tmp_path)

    found = alerts(either_database)
    assert [(version, is_open) for version, _, is_open in found] == [(1, True), (2, True)]
    assert "instead of 20.00%: requests of some keys may be lost." in found[1][1]

    ask("first", lambda _version, _number: True)
    report_shares(either_database, tmp_path)

    assert [is_open for _, _, is_open in alerts(either_database)] == [False, False]


def split_over(database, weights):
    request = SplitRequest(actor="ann", weights=weights)
    split_alias(database, Preparer(), "house", request, evaluate_gates=passing)


def test_the_alert_of_a_version_is_closed_when_it_is_in_no_split_any_more(
    either_database, ask, tmp_path
):
    ask("first", lambda version, number: version == 1 or number % 3 == 0)
    report_shares(either_database, tmp_path)
    split_over(either_database, {1: 8_000, 3: 2_000})
    report_shares(either_database, None)

    assert [(version, is_open) for version, _, is_open in alerts(either_database)] == [
        (1, True),
        (2, False),
    ]

    end_split(either_database, "house", AliasRequest(actor="ann"))
    report_shares(either_database, None)

    assert [is_open for _, _, is_open in alerts(either_database)] == [False, False]


def test_the_deletion_of_an_alias_closes_its_alerts_alone(either_database, ask, tmp_path):
    ask("first", lambda version, number: version == 1 or number % 3 == 0)
    report_shares(either_database, tmp_path)
    with either_database.write() as session:
        for alias in ("production", "staging"):
            open_alert(
                session, "guard", alias, "It failed.", actor="ann", model="house", alias=alias
            )
    delete_alias(either_database, "house", "production", actor="ann")

    with either_database.read() as session:
        query = select(AlertRow.alias, AlertRow.kind).where(AlertRow.closed_at.is_(None))
        assert session.execute(query).all() == [("staging", "guard")]
        verify(session)


def test_keys_as_the_weights_say_open_none(either_database, ask, tmp_path):
    ask("all", lambda _version, _number: True)

    report_shares(either_database, tmp_path)
    report_shares(either_database, None)

    assert alerts(either_database) == []
