"""The private parts of granian that ``hotswap serve`` depends on, one test for each.

``cli/server.py`` overrides or sets them, and ``cli/connections.c`` replaces C functions below them.
A release of granian that changes one fails here, and the message says what depends on it. Only one
minor version is admitted by pyproject.toml; change both together.
"""

import inspect
import multiprocessing
import re
import signal
import socket
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import granian._granian
import pytest
from granian import _signals
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.net import SocketHolder
from granian.server.common import AbstractServer
from granian.server.mp import MPServer, WorkerProcess

REPOSITORY = Path(__file__).parents[3]


class Respawned(Exception):
    """The server replaces workers; ``arguments`` are those of the call."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__()
        self.arguments = arguments
        self.more = more


class ReplacingServer(MPServer):
    """Raises ``Respawned`` instead of replacing workers, so that the loop ends there."""

    def _respawn_workers(self, *arguments: Any, **more: Any) -> None:
        raise Respawned(*arguments, **more)


class Waited(threading.Event):
    """Records how long it is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.timeouts.append(timeout)
        return super().wait(timeout)


def server_of(kind: type[MPServer] = MPServer) -> Any:
    return kind(
        "wsgi:app",
        interface=Interfaces.WSGI,
        respawn_failed_workers=True,
        log_level=LogLevels.critical,
    )


def parameters_of(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_pyproject_allows_only_the_tested_minor_version_of_granian() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]

    (granian,) = [one for one in project["dependencies"] if re.match(r"granian\b", one)]

    low, high = re.fullmatch(r"granian>=(\d+\.\d+),<(\d+\.\d+)", granian).groups()  # type: ignore[union-attr]
    major, minor = map(int, low.split("."))
    assert high == f"{major}.{minor + 1}"


def test_granian_workers_are_processes_with_a_flag_for_those_not_to_replace() -> None:
    server = server_of()

    worker = WorkerProcess(server, 0, print, ())

    assert server.wrks == [], "DrainingServer reads and replaces workers in Server.wrks"
    assert worker.interrupt_by_parent is False, (
        "DrainingServer sets WorkerProcess.interrupt_by_parent for workers that stop as intended"
    )
    assert isinstance(worker.inner, multiprocessing.process.BaseProcess), (
        "DrainingServer reads the pid and exit code of WorkerProcess.inner"
    )
    for method in ("start", "is_alive", "terminate", "kill", "join"):
        assert callable(getattr(worker, method)), f"DrainingServer calls WorkerProcess.{method}"


def test_the_signal_handler_of_granian_ends_its_main_loop() -> None:
    server = server_of()

    server.signal_handler_interrupt(signal.SIGTERM, None)

    assert "signal_handler_interrupt" in AbstractServer.startup.__code__.co_names, (
        "DrainingServer overrides Server.signal_handler_interrupt, which startup() installs"
    )
    assert server.interrupt_signal, "DrainingServer stops by Server.signal_handler_interrupt"
    assert server.main_loop_interrupt.is_set(), "the loop waits for Server.main_loop_interrupt"
    server._serve_loop(None, None)


def test_granian_creates_sockets_before_workers() -> None:
    steps = AbstractServer.startup.__code__.co_names

    assert parameters_of(MPServer.startup) == ["self", "spawn_target", "target_loader"], (
        "DrainingServer overrides Server.startup to block SIGINT for the workers"
    )
    assert steps.index("_init_shared_socket") < steps.index("_spawn_workers"), (
        "DrainingServer overrides Server._init_shared_socket, because it has the sockets already"
    )


def test_a_worker_gets_the_socket_and_loader_of_the_server() -> None:
    server = server_of()
    with socket.socket() as listener:
        server._sso, server._shd = listener, "the holder of its descriptor"

        worker = server._spawn_worker(3, print, len)

    assert parameters_of(MPServer._spawn_worker) == ["self", "idx", "target", "callback_loader"], (
        "DrainingServer overrides Server._spawn_worker"
    )
    number, _, loader, sockets = worker.inner._args[:4]
    assert number == 4
    assert loader is len, "DrainingServer wraps the loader to learn when a worker is up"
    assert sockets == ((None, "the holder of its descriptor"), listener), (
        "DrainingServer passes each worker its own socket by Server._sso and Server._shd; "
        "Server._ssp must be None, or the worker binds a socket of its own"
    )


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_a_socket_holder_is_built_from_a_descriptor_its_kind_and_a_backlog(
    family: socket.AddressFamily,
) -> None:
    with socket.socket(family) as listener:
        holder = SocketHolder(listener.fileno(), family == socket.AF_UNIX, 7)

        assert holder.get_fd() == listener.fileno(), "DrainingServer has its own sockets"
        assert holder.is_uds() == (family == socket.AF_UNIX), (
            "DrainingServer serves Unix sockets by it"
        )


def test_granian_replaces_a_dead_worker_by_one_method() -> None:
    server = server_of(ReplacingServer)
    server.interrupt_children.append(2)
    server.main_loop_interrupt.set()

    with pytest.raises(Respawned) as replaced:
        server._serve_loop("target", "loader")

    assert replaced.value.arguments == ([2], "target", "loader"), (
        "DrainingServer overrides Server._respawn_workers to replace dead workers"
    )


def test_granian_waits_for_signals_with_an_event() -> None:
    server = server_of(ReplacingServer)
    server.main_loop_interrupt, waited = Waited(), server.main_loop_interrupt
    server.signal_handler_reload(signal.SIGHUP, None)

    with pytest.raises(Respawned):
        server._serve_loop("target", "loader")

    assert isinstance(waited, threading.Event)
    assert server.main_loop_interrupt.timeouts[:1] == [None], (
        "run_workers replaces Server.main_loop_interrupt by an event that wakes up for signals"
    )


def test_granian_replaces_workers_on_sighup_by_the_same_method() -> None:
    assert parameters_of(MPServer._reload) == ["self", "spawn_target", "target_loader"], (
        "DrainingServer overrides Server._reload to notify systemd"
    )
    server = server_of(ReplacingServer)
    server.signal_handler_reload(signal.SIGHUP, None)

    with pytest.raises(Respawned) as replaced:
        server._serve_loop("target", "loader")

    assert replaced.value.arguments == ([0], "target", "loader"), (
        "DrainingServer overrides Server._respawn_workers to hand over on SIGHUP"
    )
    assert replaced.value.more.keys() <= {"delay"}


@pytest.mark.parametrize(("seconds_ago", "ends"), [(1, True), (3600, False)])
def test_granian_exits_if_a_worker_dies_soon_after_its_recorded_start(
    seconds_ago: int, ends: bool
) -> None:
    class Times(dict[int, float]):
        def get(self, _index: int, _default: Any = 0) -> Any:
            return time.monotonic() - seconds_ago

    server = server_of(ReplacingServer)
    server.respawned_wrks = Times()
    server.interrupt_children.append(0)
    server.main_loop_interrupt.set()

    try:
        server._serve_loop("target", "loader")
        ended = True
    except Respawned:
        ended = False

    assert ended == ends, (
        "RespawnTimes takes the place of Server.respawned_wrks and overrides get(), by which the "
        "loop learns when a worker was started, to keep the server running when a worker dies young"
    )


def test_granian_fails_at_shutdown_for_workers_that_ended_unexpectedly() -> None:
    server = server_of()
    server._sso = None
    server._start_ipc()
    server.interrupt_children.append(0)

    with pytest.raises(SystemExit) as ended:
        server.shutdown()

    assert ended.value.code == 1, (
        "DrainingServer clears Server.interrupt_children when it is stopping, so that shutdown() "
        "exits with 0"
    )


def test_a_worker_sets_its_sigterm_handler_after_the_application_is_loaded() -> None:
    wrapped = MPServer._spawn_wsgi_worker.__wrapped__
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    try:
        _signals.set_sync_signals()
        handler = signal.getsignal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])

    assert parameters_of(wrapped)[:2] == ["worker_id", "callback"]
    assert "set_sync_signals" in wrapped.__code__.co_names
    assert callable(handler), (
        "cli/worker.py stops granian by calling the handler that it has set for SIGTERM, and takes "
        "SIG_DFL to mean that granian does not serve yet"
    )


@pytest.mark.parametrize("function", [b"accept4", b"recv", b"close"])
def test_granian_receives_with_the_functions_that_connections_c_replaces(function: bytes) -> None:
    library = Path(granian._granian.__file__).read_bytes()

    assert b"\0" + function + b"\0" in library, (
        f"cli/connections.c watches connections by replacing {function.decode()}(), which granian "
        "no longer imports from the C library"
    )
