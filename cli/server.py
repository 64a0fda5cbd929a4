"""granian's server, but for how its workers come and go.

Each worker has a listening socket that this process keeps open: a connection that was not accepted
yet waits for the worker's successor. A worker that is replaced on SIGHUP stops when its successor
is up; one that is to stop closes its connections with an answer first.
"""

import importlib
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketSpec
from granian.server import Server
from granian.server.mp import WorkerProcess

from config import Settings
from registry.serving.fleet import joined_marker

logger = logging.getLogger(__name__)

BLOCKING_THREADS = 32
"""Requests that one worker answers at the same time; more wait in its queue.

``api.bodies`` keeps some of them from ever waiting for a body.
"""

GRACE_SECONDS = 30
"""How long a worker may take to finish its requests when the service stops."""

CONNECTIONS = 512
"""Connections that one worker holds, idle ones too; more wait until one is closed. Below the 1,024
open files that a process usually may have."""

HTTP1 = HTTP1Settings(
    # Of a request's head, and between two requests on one connection.
    header_read_timeout=10_000,
    # So a head is at most about as long; the request line has a limit of its own below that.
    max_buffer_size=2**16,
)

SWITCH_SECONDS = 0.001
"""How long a thread may keep others from Python's lock. A prediction takes 0.04 ms and asks for it
twice; beside a promotion it would wait for Python's own 5 ms each time."""

DRAIN_SECONDS = 1.0
"""How long the workers say that they are not ready, before a stopping service takes no more."""

RETIRE_SECONDS = 0.5
"""How long a worker that is to stop goes on, closing each connection with its answer."""

COME_UP_SECONDS = 60.0
"""How long a worker goes on for a successor that does not come up."""

RETRY_SECONDS = 3.0
"""How long it is until a worker that could not start is started again."""


@dataclass(slots=True)
class Stop:
    """How far a worker is with stopping: first it drains, then it retires; or it retires alone."""

    begun: bool = False
    draining: bool = False
    retiring: bool = False

    def drain(self) -> None:
        """The whole service is about to stop; this worker still takes every request."""
        self.draining = self.begun = True

    def retire(self) -> None:
        """This worker closes each connection with its answer."""
        self.retiring = self.begun = True


class Retiring:
    """A WSGI application in front of ``app`` that does what ``stop`` says.

    While the worker drains, a request's environment holds ``api.health.DRAINING``. While it
    retires, connections are closed: a server that stops closes those that are idle just then. A
    request that is on its way over one of them would be lost, and its client cannot tell if it was
    answered.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], stop: Stop) -> None:
        self._app = app
        self._stop = stop

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not self._stop.begun:
            return self._app(environ, start_response)
        from api.health import DRAINING

        environ[DRAINING] = self._stop.draining
        if not self._stop.retiring:
            return self._app(environ, start_response)

        def start_last_response(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            kept = [header for header in headers if header[0].lower() != "connection"]
            return start_response(status, [*kept, ("Connection", "close")], *more)

        return self._app(environ, start_last_response)


def load_application(target: str, draining: Connection) -> Retiring:
    """What a worker serves, from ``module:attribute``.

    From now on it drains when ``draining`` ends, and retires on SIGTERM.
    """
    stop = Stop()
    sys.setswitchinterval(SWITCH_SECONDS)
    # Blocked before any other thread is made, so that the signal waits for the one that takes it.
    # Processes that this one starts have it blocked too; they end when their pipe does.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_retire_on_sigterm, args=(stop,), name="retire", daemon=True).start()
    threading.Thread(target=_drain_at_end, args=(draining, stop), name="drain", daemon=True).start()
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    # Not granian's own loader, which imports from the working directory first.
    module, _, attribute = target.partition(":")
    return Retiring(getattr(importlib.import_module(module), attribute), stop)


def _drain_at_end(draining: Connection, stop: Stop) -> None:
    draining.poll(None)  # nobody writes: it wakes up when the other end is closed
    stop.drain()


def _retire_on_sigterm(stop: Stop) -> None:
    """Close connections for a while before granian stops, which takes SIGINT for the same."""
    while True:
        signal.sigwait({signal.SIGTERM})
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            os._exit(0)  # nothing is served yet
        stop.retire()
        time.sleep(RETIRE_SECONDS)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _end_with_parent() -> None:
    """Stop as on SIGTERM when the main process is gone: nobody else would stop or replace this
    worker, and it would keep the port from the service that is started next."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


class DrainingServer(Server):
    """Stops in two steps on SIGTERM: first not ready, so that balancers turn away, then gone."""

    drains: Connection
    """The end of a pipe whose other end each worker has: closing it tells them to drain. The kernel
    closes it with this process, so nothing of it is left for the next one."""

    workers_directory: Path

    def signal_handler_interrupt(self, *arguments: Any, **more: Any) -> None:
        """Begin to stop; at once on SIGINT, or when told a second time."""
        again = self.drains.closed
        self.drains.close()
        if again or (arguments and arguments[0] == signal.SIGINT):
            super().signal_handler_interrupt(*arguments, **more)
        else:
            stop = super().signal_handler_interrupt
            threading.Timer(DRAIN_SECONDS, stop, arguments, more).start()

    def _init_shared_socket(self) -> None:
        """A socket for each worker, which listens from when the worker is up. The kernel shares
        connections out evenly, and those that wait in one are not lost with its worker, as they
        are where each makes its own."""
        spec = SocketSpec(self.bind_addr, self.bind_port, self.backlog)
        self._holders = [spec.build() for _ in range(self.workers)]
        self._listeners = [socket.socket(fileno=holder.get_fd()) for holder in self._holders]

    def _drop_shared_socket(self) -> None:
        for listener in self._listeners:
            listener.close()

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> WorkerProcess:
        # What granian passes on to a worker: the socket, and what it is known by there.
        self._sso, self._shd = self._listeners[idx], self._holders[idx]
        return super()._spawn_worker(idx, target, callback_loader)

    def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
        super()._spawn_workers(spawn_target, target_loader)
        for worker in self.wrks:  # in no time, so what is there already is of earlier processes
            self._marker(worker).unlink(missing_ok=True)

    def _respawn_workers(
        self,
        workers: Iterable[int],
        spawn_target: Any,
        target_loader: Any,
        delay: float = 0,  # noqa: ARG002 - granian's way to wait for the successor
    ) -> None:
        """Replace these workers one after the other, each when its successor is up."""
        for index in workers:
            if self.wrks[index].is_alive():
                self._hand_over(index, spawn_target, target_loader)
            else:
                self._replace_dead(index, spawn_target, target_loader)

    def _replace_dead(self, index: int, spawn_target: Any, target_loader: Any) -> None:
        dead = self.wrks[index]
        if self.failed_to_start(dead):
            with suppress(OSError):  # it never listened
                self._listeners[index].shutdown(socket.SHUT_RDWR)  # connections go to the others
            time.sleep(RETRY_SECONDS)
        self.respawned_wrks[index] = time.monotonic()
        self.wrks[index] = self._spawn_worker(index, spawn_target, target_loader)
        self._start(self.wrks[index])
        self._marker(dead).unlink(missing_ok=True)

    def _hand_over(self, index: int, spawn_target: Any, target_loader: Any) -> None:
        """Replace a worker that serves. It goes on where no successor comes up."""
        old, new = self.wrks[index], self._spawn_worker(index, spawn_target, target_loader)
        new.interrupt_by_parent = True  # if it dies now, nobody is to be put in its place
        self._start(new)
        if not self._comes_up(new):
            logger.error("worker %d goes on: no worker came up in its place", old.inner.pid)
            new.kill()
            new.join()
            self._marker(new).unlink(missing_ok=True)
            return
        self.wrks[index] = new
        new.interrupt_by_parent = False
        if not new.is_alive():  # and was not told of
            self.interrupt_children.append(index)
            self.main_loop_interrupt.set()
        old.terminate()
        old.join(GRACE_SECONDS)
        old.kill()
        old.join()
        self._marker(old).unlink(missing_ok=True)

    def _start(self, worker: WorkerProcess) -> None:
        worker.start()
        self._marker(worker).unlink(missing_ok=True)

    def _comes_up(self, worker: WorkerProcess) -> bool:
        deadline = time.monotonic() + COME_UP_SECONDS
        while worker.is_alive() and time.monotonic() < deadline:
            if self.came_up(worker):
                return True
            time.sleep(0.05)
        return False

    def came_up(self, worker: WorkerProcess) -> bool:
        """Whether the worker was ever able to serve."""
        return self._marker(worker).exists()

    def failed_to_start(self, worker: WorkerProcess) -> bool:
        """Whether the worker ended by itself before it could serve."""
        ended = worker.inner.exitcode not in {None, -signal.SIGKILL}
        return ended and not self.came_up(worker)

    def _marker(self, worker: WorkerProcess) -> Path:
        """What the worker leaves when it is up. Found at its start, it is that of an earlier
        process with the same id."""
        return joined_marker(self.workers_directory, worker.inner.pid)


class RespawnTimes(dict[int, float]):
    """When granian last replaced each worker.

    granian ends the whole server when a worker dies within 5.5 s of its start, taking that for a
    crash at start. It asks here for that time; a worker that had come up before it died, or that
    somebody killed, is replaced however young it was, and so is one that cannot start while others
    serve: a damaged database must not end those that answer from memory.
    """

    def __init__(self, server: DrainingServer) -> None:
        super().__init__()
        self._server = server

    def get(self, index: int, default: Any = 0) -> Any:
        """The time for granian's own test; 0, long ago, where the server goes on."""
        workers = self._server.wrks
        others_serve = any(worker.is_alive() and self._server.came_up(worker) for worker in workers)
        if others_serve or not self._server.failed_to_start(workers[index]):
            return default
        return super().get(index, default)


def run_workers(settings: Settings, application: str = "wsgi:app") -> None:
    """Serve ``application`` until a signal ends it; the settings are in the environment already."""
    # A forked worker would inherit this process's threads and locks half-way; a spawned one starts
    # clean.
    multiprocessing.set_start_method("spawn", force=True)
    server = DrainingServer(
        application,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,  # to look at each connection for HTTP/2 costs a tenth of a prediction
        workers=settings.worker_count,
        blocking_threads=BLOCKING_THREADS,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_SECONDS,
        # Nobody speaks HTTP/2 without TLS but those who try what else the server understands.
        http1_settings=HTTP1,
        backpressure=CONNECTIONS,
        websockets=False,
        log_level=LogLevels.error,
    )
    server.workers_directory = settings.data / "run" / "workers"
    server.respawned_wrks = RespawnTimes(server)
    draining, server.drains = multiprocessing.Pipe(duplex=False)
    # Late, since it takes Flask along, which ``hotswap`` needs for few of its commands.
    from api.measure_folders import own_folder, remove_folder

    with suppress(OSError):  # the workers say so
        own_folder(settings.data, os.getpid())  # held while a worker is replaced by another
    try:
        server.serve(target_loader=partial(load_application, draining=draining))
    finally:
        remove_folder(settings.data, os.getpid())
