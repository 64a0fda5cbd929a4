"""The alert that no keeper runs, which workers open and close."""

import os
import struct
import time

from sqlalchemy import select

from registry.operations.forget_host import forget_host
from registry.operations.open_alert import open_alert
from registry.operations.report_keeper import report_keeper
from registry.operations.stay_alone import note_alone
from registry.storage.alert_tables import AlertRow
from registry.storage.tables import EventRow
from tests.integration.watching.serving_since import serve_since

HOST = "models-1"


def beat(run, seconds):
    """A beat so many seconds ago."""
    at = time.monotonic_ns() - int(seconds * 1e9)
    (run / "keeper").write_bytes(struct.pack("=qq", at, os.getpid()))


def open_subjects(database):
    with database.read() as session:
        query = select(AlertRow.subject).where(
            AlertRow.kind == "watch", AlertRow.closed_at.is_(None)
        )
        return sorted(session.scalars(query))


def events(database):
    with database.read() as session:
        return list(session.scalars(select(EventRow.type).order_by(EventRow.seq)))


def test_an_alert_is_open_for_as_long_as_no_keeper_runs(database, tmp_path):
    serve_since(tmp_path, 300)
    for _ in range(3):
        report_keeper(database, HOST, tmp_path, watch=True)

    assert open_subjects(database) == [HOST]
    with database.read() as session:
        row = session.scalars(select(AlertRow)).one()
        assert row.evidence["seconds"] >= 300
        assert f"on {HOST} for " in row.message

    beat(tmp_path, 1)
    for _ in range(3):
        report_keeper(database, HOST, tmp_path, watch=True)

    assert open_subjects(database) == []
    assert events(database) == ["alert_opened", "alert_closed"]


def test_a_keeper_that_is_late_but_alive_is_no_alert(database, tmp_path):
    serve_since(tmp_path, 300)
    beat(tmp_path, 50)

    report_keeper(database, HOST, tmp_path, watch=True)

    assert open_subjects(database) == []


def test_switching_watching_off_closes_the_alert(database, tmp_path):
    serve_since(tmp_path, 300)
    report_keeper(database, HOST, tmp_path, watch=True)

    report_keeper(database, HOST, tmp_path, watch=False)

    assert open_subjects(database) == []


def test_alerts_of_other_hosts_stay_and_those_of_hosts_that_are_gone_are_closed(database, tmp_path):
    """On SQLite there is no other host: other names are former ones of this host."""
    if not database.is_sqlite:
        note_alone(database, "models-2", release="1.0", workers=2)
    with database.write() as session:
        for host in ("models-2", "models-3"):
            open_alert(session, "watch", host, "Nothing has watched.", actor="hotswap")
    serve_since(tmp_path, 300)
    beat(tmp_path, 1)

    report_keeper(database, HOST, tmp_path, watch=True)

    assert open_subjects(database) == ([] if database.is_sqlite else ["models-2"])

    if not database.is_sqlite:
        forget_host(database, "models-2")
    report_keeper(database, HOST, tmp_path, watch=True)

    assert open_subjects(database) == []


def test_an_alert_of_a_host_that_is_gone_does_not_hide_that_of_this_one(database, tmp_path):
    with database.write() as session:
        open_alert(session, "watch", "models-3", "Nothing has watched.", actor="hotswap")
    serve_since(tmp_path, 300)

    report_keeper(database, HOST, tmp_path, watch=True)

    assert open_subjects(database) == [HOST]
