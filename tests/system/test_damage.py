"""A locked database, lost bytes, a full disk: loaded versions keep serving."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.swap import constant_model
from registry.live.watch import POLL_SECONDS
from tests.system.load import MODEL, predicting
from tests.system.models import upload
from tests.system.real_server import BIN, Server, free_port, running, wait_until

ROW = {"x0": 1.0, "x1": 2.0}
LOCKED_SECONDS = 7.0
"""Longer than a writer waits."""


def figure(server: Server, name: str) -> float:
    """A metric's value, 0 where it is not there yet."""
    text = server.call("GET", "/metrics").text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.slow  # integration/registry/test_database.py has the lock
def test_a_locked_database_stops_writes_but_no_predictions(hardy_server: Server) -> None:
    with predicting(hardy_server) as load:
        with sqlite3.connect(hardy_server.data / "registry.db", isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            began = time.monotonic()
            refused = hardy_server.call("POST", "/models", json={"name": "later"})
            time.sleep(max(0.0, LOCKED_SECONDS - (time.monotonic() - began)))
            other.execute("ROLLBACK")
        other.close()
        accepted = hardy_server.call("POST", "/models", json={"name": "later"})

    assert refused.status_code == 503
    assert refused.json()["type"] == "/problems/database-busy"
    assert int(refused.headers["Retry-After"]) > 0
    assert accepted.status_code == 201
    assert load.failed == []
    assert len(load.replies) > 100


@pytest.mark.slow
def test_workers_that_fail_to_start_do_not_end_the_running_ones(
    own_server: Server,
) -> None:
    # Until every worker has seen the last write: one that knows of a write and cannot read it is
    # right to refuse.
    with predicting(own_server, settle=2 * POLL_SECONDS) as load:
        file = own_server.data / "registry.db"
        with sqlite3.connect(file, isolation_level=None) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.close()
        with file.open("r+b") as database:
            database.write(b"\xff" * file.stat().st_size)
        own_server.process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: own_server.log.read_text().count("its successor did not start") == 2,
            "nobody says that the workers cannot be replaced",
        )
    assert load.failed == []

    victim, survivor = sorted(own_server.workers())
    os.kill(victim, signal.SIGKILL)
    wait_until(
        lambda: own_server.log.read_text().count("Unexpected exit from worker") >= 3,
        "no worker tried to start, twice, after the one that was killed",
    )

    answers = [own_server.call("POST", f"/models/{MODEL}/predict", json=ROW) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert survivor in own_server.workers()


@pytest.mark.slow  # faults/test_bit_rot.py has what is found
@pytest.mark.parametrize("damage", ["lost", "flipped"])
def test_a_loaded_version_serves_after_its_bytes_are_lost(
    hardy_server: Server, damage: str
) -> None:
    model, value = f"{damage}-bytes", float(len(damage))
    not_loadable = 'hotswap_promotions_total{result="version-not-loadable"}'
    refusals, failures = figure(hardy_server, not_loadable), _failed_loads(hardy_server)
    others = _blobs(hardy_server)
    with predicting(hardy_server, model, value) as load:
        spare = upload(hardy_server, model, constant_model(value + 0.5))["version"]
        for path in _blobs(hardy_server) - others:
            if damage == "lost":
                path.unlink()
            else:
                path.write_bytes(b"\xff" + path.read_bytes()[1:])
        refused = hardy_server.call("POST", f"/models/{model}/{spare}/promote")
        asked = hardy_server.call("POST", f"/models/{model}/{spare}/predict", json=ROW)

    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/version-not-loadable"
    assert asked.status_code == 503
    assert load.failed == []
    assert {reply.version for reply in load.replies} == {1}
    wait_until(
        lambda: figure(hardy_server, not_loadable) == refusals + 1, "the refusal is not counted"
    )
    # Whoever finds damaged bytes puts them aside, and for who comes after they are missing.
    wait_until(lambda: _failed_loads(hardy_server) > failures, "the lost bytes are not counted")


def _blobs(server: Server) -> set[Path]:
    return set((server.data / "blobs").glob("??/*"))


def _failed_loads(server: Server) -> float:
    reasons = ("blob-missing", "blob-damaged")
    name = "hotswap_version_load_failures_total"
    return sum(figure(server, f'{name}{{reason="{reason}"}}') for reason in reasons)


def _fill(path: Path) -> None:
    """Write to the file until there is no more room for it."""
    with path.open("wb", 0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    assert shutil.disk_usage(path).free < 4096


def _can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = ["unshare", "-Urm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


@pytest.mark.slow  # faults/test_failing_disk.py has it where the tests may mount
@pytest.mark.skipif(not _can_mount(), reason="a small disk needs a user namespace that may mount")
def test_a_full_disk_refuses_uploads_but_no_predictions(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    script = 'mount -t tmpfs -o size=24m tmpfs "$HOTSWAP_DATA" && exec "$0" serve --workers 2'
    command = ["unshare", "-Urm", "sh", "-c", script, BIN / "hotswap"]
    with running(command, data, free_port()) as server:
        inside = Path(f"/proc/{server.process.pid}/root{data}")
        with predicting(server) as load:
            full = inside / "full"
            _fill(full)
            refused = server.call(
                "POST",
                f"/models/{MODEL}/versions",
                files={"artifact": ("model.skops", constant_model(200.0))},
            )
            created = server.call("POST", "/models", json={"name": "later"})
            full.unlink()
            accepted = upload(server, MODEL, constant_model(200.0))

    assert refused.status_code == 507, refused.text
    assert refused.json()["type"] == "/problems/storage-full"
    assert created.status_code in {201, 507}, "a log that has room already may take it"
    assert accepted["version"] == 2, "what was refused took no number"
    assert load.failed == []
