"""Faults around a running service: its clock, its database, its disk, and its backups."""

import io
import shutil
import threading
import time
from contextlib import closing

import pytest

from benchmarks.swap import constant_model
from registry.blobs.local import LocalBlobStore
from registry.operations.restore import restore
from registry.storage.sqlite import sqlite_module
from tests.faults.load import MODELS, Load, look
from tests.faults.moved_clock import MovedClock
from tests.system.models import upload
from tests.system.real_server import BIN, free_port, running, wait_until

pytestmark = pytest.mark.slow
DAY = 86400
ROW = {"x0": 1.0, "x1": 2.0}


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler is installed, which the moved clock needs")
    return MovedClock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def server(clock, tmp_path_factory):
    """One for all; each test works on models of its own."""
    data = tmp_path_factory.mktemp("service") / "data"
    command = [BIN / "hotswap", "serve", "--workers", "2"]
    with running(command, data, free_port(), **clock.environment) as started:
        yield started


def predict(server, model, **headers):
    return server.call("POST", f"/models/{model}/predict", json=ROW, headers=headers)


def promote(server, model, number):
    reply = server.call("POST", f"/models/{model}/{number}/promote")
    assert reply.status_code == 200, reply.text


def send_again(server, artifact):
    files = {"artifact": ("model.skops", io.BytesIO(artifact))}
    headers = {"Idempotency-Key": "the same every time"}
    reply = server.call("POST", "/models/keyed/versions", files=files, headers=headers)
    assert reply.status_code == 201, reply.text
    return reply.json()["version"]


def test_moving_the_clock_by_a_day_changes_only_dates(server, clock, tell):
    said = {"name": "short", "scopes": ["predict"]}
    said["expires_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    short = server.call("POST", "/tokens", json=said).json()["token"]
    bearer = {"Authorization": f"Bearer {short}"}
    artifact = constant_model(0.0)
    for number, moved in enumerate([0, DAY + 60, -DAY, 0], start=1):
        clock.move(moved)
        assert upload(server, "dated", constant_model(float(number)))["version"] == number
        promote(server, "dated", number)
        assert predict(server, "dated").json()["prediction"] == pytest.approx(number)
        # What is meant by the clock on the wall goes by it: a token's end, and a key's 24 hours.
        assert predict(server, "dated", **bearer).status_code == (401 if moved > 3600 else 200)
        assert send_again(server, artifact) == {1: 1, 2: 2, 3: 2, 4: 2}[number]

    events = server.call("GET", "/models/dated/history").json()["items"]
    times = [event["at"] for event in events]
    assert times != sorted(times, reverse=True), "the clock did go back"
    seqs = [event["seq"] for event in events]
    assert seqs == sorted(seqs, reverse=True)
    for sort in ("", "?sort=-created_at", "?sort=-version"):
        listed = server.call("GET", f"/models/dated/versions{sort}").json()["items"]
        assert [version["version"] for version in listed] == [4, 3, 2, 1]
    assert server.call("GET", "/models/dated/latest").json()["version"] == 4
    back = [server.call("POST", "/models/dated/rollback").json()["version"] for _ in range(3)]
    assert back == [3, 2, 1], "by the order of the promotions, whatever their dates"
    assert server.hotswap("history", "--verify").returncode == 0
    tell("clock: a day forth and back, 4 promotions and 3 rollbacks in order")


def test_timeouts_do_not_depend_on_the_wall_clock(server, clock, long_faults, tell):
    for number in (1, 2):
        upload(server, "jumpy", constant_model(float(number)))
    done, jumps = threading.Event(), 0

    def jump():
        nonlocal jumps
        while not done.wait(0.01):
            jumps += 1
            clock.move((-DAY, 0, DAY)[jumps % 3])

    jumper = threading.Thread(target=jump)
    jumper.start()
    statuses = []
    try:
        for turn in range(200 if long_faults else 20):
            promote(server, "jumpy", turn % 2 + 1)
            replies = [predict(server, "jumpy") for _ in range(5)]
            statuses += [reply.status_code for reply in replies]
            assert {reply.json()["version"] for reply in replies} == {turn % 2 + 1}
    finally:
        done.set()
        jumper.join()
        clock.move(0)

    assert set(statuses) == {200}
    assert server.hotswap("history", "--verify").returncode == 0
    tell(f"clock: {jumps} jumps of a day beside {len(statuses)} predictions, none failed")


def test_a_locked_database_stops_writes_but_not_predictions(server, long_faults, tell):
    for number in (1, 2):
        upload(server, "held", constant_model(float(number)))
    promote(server, "held", 1)
    seconds = 30 if long_faults else 5.5
    refused, done = [], threading.Event()

    def write():
        while not done.is_set():
            reply = server.call("POST", "/models/held/2/promote")
            if not done.is_set():
                refused.append(reply)

    writers = [threading.Thread(target=write) for _ in range(4)]
    with closing(sqlite_module().connect(server.data / "registry.db")) as holder:
        holder.isolation_level = None
        holder.execute("BEGIN EXCLUSIVE")
        for writer in writers:
            writer.start()
        end, slowest, predictions = time.monotonic() + seconds, 0.0, []
        while time.monotonic() < end:
            reply = predict(server, "held")
            slowest = max(slowest, reply.elapsed.total_seconds())
            predictions.append((reply.status_code, reply.json().get("version")))
            time.sleep(0.005)
        done.set()
        holder.execute("ROLLBACK")
    for writer in writers:
        writer.join()

    assert set(predictions) == {(200, 1)}
    assert slowest < 4, "less than a writer waits"
    assert len(refused) >= len(writers)
    assert {reply.status_code for reply in refused} == {503}
    assert {reply.json()["type"] for reply in refused} == {"/problems/database-busy"}
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in refused)
    promote(server, "held", 2)
    assert predict(server, "held").json()["version"] == 2
    tell(
        f"locked database: {seconds:g} s, {len(predictions)} predictions answered (slowest "
        f"{slowest * 1000:.0f} ms), {len(refused)} writes told 503"
    )


def test_a_damaged_live_version_is_served_from_memory_and_can_be_rolled_back(server, tell):
    store = LocalBlobStore(server.data / "blobs")
    kept = [set(store.digests())]
    for number in (1, 2, 3):
        upload(server, "rotten", constant_model(number + 0.25))
        kept.append(set(store.digests()) - set().union(*kept))
    for live in (1, 2):
        promote(server, "rotten", live)
    intact = {digest: store.path_of(digest).read_bytes() for digest in kept[2] | kept[3]}
    for digest, content in intact.items():
        store.path_of(digest).write_bytes(content[:-1])

    def ask(reference):
        return server.call("POST", f"/models/rotten/{reference}/predict", json=ROW)

    def answered(reference):
        replies = [ask(reference) for _ in range(10)]
        return {(reply.status_code, reply.json().get("version")) for reply in replies}

    assert answered("production") == {(200, 2)}
    assert answered("3") == {(503, None)}, "it was not in memory"
    assert "Retry-After" in ask("3").headers
    assert server.call("GET", "/models/rotten/2/artifact").status_code == 503
    assert server.call("POST", "/models/rotten/3/promote").status_code == 409
    assert answered("production") == {(200, 2)}
    back = server.call("POST", "/models/rotten/rollback")
    assert (back.status_code, back.json()["version"]) == (200, 1)
    assert answered("production") == {(200, 1)}
    for digest, content in intact.items():
        store.path_of(digest).write_bytes(content)
    wait_until(lambda: answered("3") == {(200, 3)}, "its bytes are back, and it is not loaded")
    tell("bit rot: the live version served on from memory, and the one before came back")


def test_backups_made_under_load_restore_completely(server, tmp_path, long_faults, tell):
    if not long_faults:
        pytest.skip("test_backups.py does it without a service, in a twentieth of the time")
    figures = []
    for name in MODELS:
        upload(server, name, constant_model(1.0))
        promote(server, name, 1)
    with Load(server) as load:
        for number in range(20):
            folder, data = tmp_path / f"backup{number}", tmp_path / f"data{number}"
            made = server.hotswap("backup", str(folder), "--json")
            assert made.returncode == 0, made.stderr
            assert server.hotswap("gc", "--older-than", "0m").returncode == 0
            restore(folder, data)
            figures.append(look(data))
    assert load.faults == []
    refused = server.hotswap("restore", str(folder))
    assert refused.returncode == 1
    assert "2 workers" in refused.stderr

    seqs = [seq for seq, _ in figures]
    assert seqs == sorted(seqs)
    assert seqs[-1] > seqs[0] + 10 * len(MODELS), "there was load"
    command = [BIN / "hotswap", "serve", "--workers", "1"]
    with running(command, data, free_port()) as restored:
        reply = predict(restored, "a")
        assert reply.json()["prediction"] == pytest.approx(reply.json()["version"])
    tell(
        f"backup: {len(figures)} under load, as many restored whole; the last has {seqs[-1]} "
        f"events and {figures[-1][1]} versions, each predicted"
    )
