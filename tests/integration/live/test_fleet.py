"""Workers that prepare a version for each other, over their real sockets."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry.errors import BlobMissing
from registry.live import fleet as fleet_module
from registry.live.fleet import Fleet
from registry.storage.run_sockets import publish, short_path
from tests.threads import no_threads


@pytest.fixture
def join(tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """Makes workers of one directory; all leave at the end."""
    joined: list[Fleet] = []

    def make(prepare: Callable[[str, int], None]) -> Fleet:
        @contextmanager
        def prepared(model: str, number: int) -> Iterator[None]:
            prepare(model, number)
            yield

        fleet = Fleet(tmp_path / "workers")
        fleet.join(prepared)
        joined.append(fleet)
        return fleet

    yield make
    for fleet in joined:
        fleet.leave()


def faults_of(fleet: Fleet, *, needs_worker: bool = False) -> list[str]:
    with fleet.prepared("housing", 7, needs_worker=needs_worker) as faults:
        return faults


class Holder:
    """Prepares at once, and notes whether it holds the version."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self.let_go = threading.Event()

    @contextmanager
    def __call__(self, *_: object) -> Iterator[None]:
        self.held.set()
        yield
        self.let_go.set()


def test_every_worker_holds_the_version_until_the_requester_releases_it(tmp_path: Path) -> None:
    holders = [Holder(), Holder()]
    fleets = [Fleet(tmp_path / "workers") for _ in holders]
    for fleet, holder in zip(fleets, holders, strict=True):
        fleet.join(holder)

    with fleets[0].prepared("housing", 7) as faults:
        assert faults == []
        assert all(holder.held.is_set() and not holder.let_go.is_set() for holder in holders)

    assert all(holder.let_go.wait(5) for holder in holders)
    for fleet in fleets:
        fleet.leave()


def test_a_worker_releases_the_version_when_the_requester_has_died(tmp_path: Path) -> None:
    holder, fleet = Holder(), Fleet(tmp_path / "workers")
    fleet.join(holder)
    (path,) = (tmp_path / "workers").glob("*.sock")
    with short_path(path) as short, socket.socket(socket.AF_UNIX) as asking:
        asking.connect(short)
        asking.sendall(b'{"model": "housing", "number": 7}\n')
        assert json.loads(asking.makefile().readline()) == {"fault": None}
        assert not holder.let_go.is_set()

    assert holder.let_go.wait(5)
    fleet.leave()


def test_a_leaving_worker_first_releases_the_versions_it_holds_for_others(tmp_path: Path) -> None:
    holder, asking, leaving = Holder(), Fleet(tmp_path / "workers"), Fleet(tmp_path / "workers")
    leaving.join(holder)

    with asking.prepared("housing", 7) as faults:
        assert faults == []
        assert not holder.let_go.is_set()
        leaving.leave()
        assert holder.let_go.is_set()


def test_every_worker_loads_the_version(join: Callable[..., Fleet]) -> None:
    asked: list[tuple[int, str, int]] = []
    fleets = [
        join(lambda model, number, me=me: asked.append((me, model, number))) for me in range(3)
    ]

    assert faults_of(fleets[0]) == []
    assert sorted(asked) == [(0, "housing", 7), (1, "housing", 7), (2, "housing", 7)]


def test_a_worker_that_cannot_load_reports_why(join: Callable[..., Fleet]) -> None:
    def fail(model: str, number: int) -> None:
        raise BlobMissing("ab" * 32)

    join(lambda model, number: None)
    faults = faults_of(join(fail))

    assert len(faults) == 1
    assert "abab" in faults[0]


def test_a_dead_worker_is_not_waited_for(join: Callable[..., Fleet], tmp_path: Path) -> None:
    alive = join(lambda model, number: None)
    dead = tmp_path / "workers" / "999999-1.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(dead)) if len(str(dead)) < 100 else dead.touch()

    assert faults_of(alive) == []
    assert not dead.exists(), "what a dead worker left is cleared away"


def test_a_worker_that_dies_while_loading_is_forgiven_if_it_is_replaced(
    join: Callable[..., Fleet], tmp_path: Path
) -> None:
    asked: list[str] = []
    alive = join(lambda model, number: asked.append("alive"))
    dying = DyingWorker(tmp_path / "workers" / "1-1.sock", deaths=1)
    replacing = threading.Timer(0.3, join, (lambda model, number: asked.append("replacement"),))
    replacing.start()

    assert faults_of(alive) == []
    replacing.join()
    assert dying.asked == 1
    assert asked == ["replacement", "alive"]


def test_a_version_that_crashes_its_loader_does_not_end_the_requesting_worker(
    join: Callable[..., Fleet], tmp_path: Path
) -> None:
    asked: list[str] = []
    alive = join(lambda model, number: asked.append("alive"))
    alive.replacement_patience = 0.2
    DyingWorker(tmp_path / "workers" / "1-1.sock", deaths=1)

    faults = faults_of(alive)

    assert faults == ["A worker died while it loaded the version, and was not replaced."]
    assert asked == []


def test_a_failure_of_the_first_worker_spares_the_others(
    join: Callable[..., Fleet],
) -> None:
    asked: list[int] = []

    def fail(model: str, number: int) -> None:
        asked.append(number)
        raise BlobMissing("ab" * 32)

    fleets = [join(fail) for _ in range(4)]

    assert len(faults_of(fleets[0])) == 1
    assert asked == [7]


def test_the_other_workers_begin_when_the_first_takes_too_long(join: Callable[..., Fleet]) -> None:
    all_began = threading.Barrier(3)
    fleets = [join(lambda model, number: all_began.wait(10) and None) for _ in range(3)]
    fleets[0].head_start = 0.1

    assert faults_of(fleets[0]) == [], "nobody waits for the end of the first"


def test_a_second_crash_is_blamed_on_the_version(
    join: Callable[..., Fleet], tmp_path: Path
) -> None:
    alive = join(lambda model, number: None)
    DyingWorker(tmp_path / "workers" / "1-1.sock", deaths=1)
    DyingWorker(tmp_path / "workers" / "2-1.sock", deaths=1)

    assert faults_of(alive) == ["A worker died while it loaded the version."]


def test_a_hanging_worker_fails_the_preparation_in_time(
    join: Callable[..., Fleet],
) -> None:
    release = threading.Event()
    fleet = join(lambda model, number: release.wait(20) and None)
    fleet.patience = 0.2

    faults = faults_of(fleet)

    release.set()
    assert faults == ["A worker did not load the version in 0.2 s."]
    assert fleet_module.PREPARE_TIMEOUT_SECONDS < 30, "the contract gives a promotion 30 s"


def test_workers_that_stop_while_loading_do_not_count_as_dead(
    join: Callable[..., Fleet],
) -> None:
    """As in a hand-over, where all workers of the predecessor stop at about the same time."""
    release, stopping = threading.Event(), list[threading.Thread]()
    promoting = join(lambda model, number: None)

    def stop_while_it_loads(fleet: list[Fleet]) -> None:
        stopping.append(threading.Thread(target=fleet[0].leave))
        stopping[-1].start()
        release.wait(20)

    for _ in range(3):
        own: list[Fleet] = []
        own.append(join(lambda model, number, own=own: stop_while_it_loads(own)))

    assert faults_of(promoting) == []
    release.set()
    for one in stopping:
        one.join()
    assert len(stopping) == 3


class DyingWorker:
    """Accepts and breaks off, as a worker does that is killed; gone after so many deaths."""

    def __init__(self, path: Path, deaths: int) -> None:
        self.asked = 0
        folder = os.open(path.parent, os.O_RDONLY)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)
        self._listener.listen()
        threading.Thread(target=self._die, args=(deaths,), daemon=True).start()

    def _die(self, deaths: int) -> None:
        for _ in range(deaths):
            connection, _address = self._listener.accept()
            assert json.loads(connection.makefile().readline()) == {
                "model": "housing",
                "number": 7,
            }
            self.asked += 1
            connection.close()
        self._listener.close()


def test_the_socket_of_a_worker_appears_when_it_accepts_connections(tmp_path: Path) -> None:
    """A promotion takes one that refuses them for a dead worker's, and removes it."""
    path, seen = tmp_path / "worker.sock", list[bool]()

    class Listener(socket.socket):
        def listen(self, backlog: int = 1, /) -> None:
            seen.append(path.exists())
            super().listen(backlog)

    with Listener(socket.AF_UNIX) as listener:
        publish(listener, path, 1)

    assert seen == [False]
    assert path.is_socket()


def test_a_worker_that_can_start_no_thread_says_so_and_replies_to_the_next_request(
    join: Callable[..., Fleet],
) -> None:
    one, _ = (join(lambda *_: None) for _ in range(2))

    with no_threads():
        assert faults_of(one) == ["A worker can start no thread at present."]

    assert faults_of(one) == []


def test_a_process_that_is_no_worker_waits_for_one(
    join: Callable[..., Fleet], tmp_path: Path
) -> None:
    keeper, loaded = Fleet(tmp_path / "workers"), list[int]()
    keeper.replacement_patience = 20.0
    starting = threading.Timer(0.2, lambda: join(lambda _, number: loaded.append(number)))
    starting.start()

    assert faults_of(keeper, needs_worker=True) == []

    starting.join()
    assert loaded == [7]


def test_a_process_that_is_no_worker_prepares_nothing_without_one(tmp_path: Path) -> None:
    keeper = Fleet(tmp_path / "workers")
    keeper.replacement_patience = 0.1

    assert faults_of(keeper, needs_worker=True) == ["No worker is running."]


def test_a_process_that_loads_versions_itself_needs_no_worker(tmp_path: Path) -> None:
    """As ``hotswap serve --demo`` does before the first worker starts."""
    assert faults_of(Fleet(tmp_path / "workers")) == []
