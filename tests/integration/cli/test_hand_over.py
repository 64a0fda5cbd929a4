"""A service shares its sockets with a successor, and leaves it the service when that is ready."""

import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.exits import CommandFailed
from cli.hand_over import Offer, Service, Succession, take_over
from cli.hold import Hold, is_held
from cli.listening import listen
from config import Settings
from registry.storage.run_sockets import short_path
from tests.processes import wait_for

OTHER_USER = """
import os, sys
from pathlib import Path
from cli.exits import CommandFailed
from cli.hand_over import take_over
from config import Settings
os.setuid(65534)
try:
    take_over(Settings(data=Path(sys.argv[1])))
except CommandFailed as refused:
    print(refused.message)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Settings(data=tmp_path / "data", port=listener.getsockname()[1], workers=3)


def start(settings: Settings) -> Service:
    service = Service(settings, Hold.acquire(settings.data), listen(settings))
    for one in service.listeners.sockets:
        one.listen()
    return service


class Predecessor:
    """A service that offers itself, and notes to whom it yielded."""

    def __init__(self, settings: Settings) -> None:
        self.yielded: list[int] = []
        self.service = start(settings)
        self.offer = Offer(self.service, self.yielded.append)

    def stop(self) -> None:
        self.offer.close()
        self.service.close()


@pytest.fixture
def predecessor(settings: Settings) -> Iterator[Predecessor]:
    predecessor = Predecessor(settings)
    yield predecessor
    predecessor.stop()


def taken(settings: Settings) -> Succession:
    succession = take_over(settings)
    assert succession is not None
    return succession


def answers(settings: Settings, service: Service) -> bool:
    """Whether a connection to the address arrives at a socket of ``service``."""
    with socket.create_connection((settings.host, settings.port)) as client:
        for one in service.listeners.sockets:
            one.setblocking(False)
        while True:
            for one in service.listeners.sockets:
                try:
                    accepted, _ = one.accept()
                except BlockingIOError:
                    continue
                with accepted:
                    return accepted.getpeername() == client.getsockname()


def test_without_a_running_service_there_is_nothing_to_take_over(settings: Settings) -> None:
    assert take_over(settings) is None


def test_a_successor_listens_beside_its_predecessor_until_that_stops(
    settings: Settings, predecessor: Predecessor
) -> None:
    succession = taken(settings)
    assert predecessor.yielded == []
    assert answers(settings, succession.service)

    succession.complete()

    assert predecessor.yielded == [os.getpid()]
    predecessor.stop()
    assert is_held(settings.data)
    assert answers(settings, succession.service)
    succession.service.close()
    assert not is_held(settings.data)


def test_a_successor_that_ends_before_it_is_ready_changes_nothing(
    settings: Settings, predecessor: Predecessor
) -> None:
    taken(settings).abandon()

    wait_for(lambda: not predecessor.service.listeners.elsewhere)
    assert predecessor.yielded == []
    assert is_held(settings.data)
    assert answers(settings, predecessor.service)
    succession = taken(settings)
    succession.complete()
    assert predecessor.yielded == [os.getpid()]
    succession.service.close()


def test_a_successor_whose_predecessor_ends_first_owns_the_service(
    settings: Settings, predecessor: Predecessor
) -> None:
    succession = taken(settings)
    predecessor.stop()

    assert is_held(settings.data)
    assert answers(settings, succession.service)
    succession.complete()
    succession.service.close()


def test_a_predecessor_that_answers_late_still_yields(settings: Settings) -> None:
    """If the successor gave up, nobody would serve."""
    service, may_yield = start(settings), threading.Event()
    offer = Offer(service, lambda _: may_yield.wait(30) and None)
    succession = taken(settings)
    succession.predecessor.settimeout(0.1)  # it may take that long for an answer
    threading.Timer(0.5, may_yield.set).start()

    succession.complete()

    assert may_yield.is_set()
    offer.close()
    service.close()
    succession.service.close()


def test_only_one_successor_is_accepted_at_a_time(
    settings: Settings, predecessor: Predecessor
) -> None:
    succession = taken(settings)

    with pytest.raises(CommandFailed, match=f"process {os.getpid()} is taking it over already"):
        take_over(settings)

    succession.complete()
    succession.service.close()


def test_a_service_that_cannot_be_offered_leaves_nothing_behind(settings: Settings) -> None:
    service = start(settings)
    run = settings.data / "run"
    (run / "main.sock" / "here").mkdir(parents=True)

    with pytest.raises(OSError, match=r"main\.sock"):
        Offer(service, lambda _: None)

    assert {path.name for path in run.iterdir()} == {"main.sock", "serve.lock"}
    service.close()


def test_a_service_that_ran_out_of_file_descriptors_can_be_taken_over_later(
    settings: Settings, predecessor: Predecessor, caplog: pytest.LogCaptureFixture
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with client, short_path(settings.data / "run" / "main.sock") as path:
        free = os.dup(client.fileno())
        os.close(free)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
            client.connect(path)
            wait_for(lambda: "could not connect: [Errno 24]" in caplog.text)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    succession = taken(settings)
    succession.complete()
    succession.service.close()
    assert predecessor.yielded == [os.getpid()]


def test_an_unsuitable_successor_is_told_why(settings: Settings) -> None:
    service = start(settings)
    offer = Offer(service, lambda _: None, lambda pid: f"process {pid} is a stranger")

    with pytest.raises(CommandFailed, match=f"handed over: process {os.getpid()} is a stranger"):
        take_over(settings)

    offer.close()
    service.close()


def test_a_hand_over_requires_the_same_address(
    settings: Settings, predecessor: Predecessor
) -> None:
    with pytest.raises(CommandFailed, match=f"127.0.0.1:{settings.port + 1}. A hand-over"):
        take_over(replace(settings, port=settings.port + 1))

    wait_for(lambda: not predecessor.service.listeners.elsewhere)
    assert answers(settings, predecessor.service)


def test_a_service_that_is_starting_cannot_be_taken_over(settings: Settings) -> None:
    service = start(settings)

    with pytest.raises(CommandFailed, match="It cannot be taken over now: it is still starting"):
        take_over(settings, patience=0)

    service.close()


def test_more_sockets_than_fit_one_message_are_handed_over(settings: Settings) -> None:
    predecessor = Predecessor(replace(settings, workers=256))

    succession = taken(settings)

    assert len(succession.service.listeners.sockets) == 256
    succession.complete()
    succession.service.close()
    predecessor.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_process_of_another_user_cannot_take_over(
    settings: Settings, predecessor: Predecessor, tmp_path: Path
) -> None:
    run = settings.data / "run"
    for path in (tmp_path, *tmp_path.parents[:3], settings.data, run, *run.iterdir()):
        path.chmod(0o777)

    said = subprocess.run(
        [sys.executable, "-c", OTHER_USER, settings.data],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "it runs as user 0, and this process as user 65534" in said.stdout
    assert predecessor.yielded == []
