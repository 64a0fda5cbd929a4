"""granian's server, but for how its workers come and go.

Each worker has a listening socket that this process keeps open: a connection that was not accepted
yet waits for the worker's successor. A worker that is replaced on SIGHUP stops when its successor
is up; one that is to stop closes its connections with an answer first.
"""

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketSpec
from granian.server import Server
from granian.server.mp import WorkerProcess

from cli.connections import SPARE_CONNECTIONS, do_not_preload, most_connections, preload
from config import Settings

logger = logging.getLogger(__name__)

GRACE_SECONDS = 30
"""How long a worker may take to finish its requests when the service stops."""

HTTP1 = HTTP1Settings(
    # Of a request's head, and between two requests on one connection.
    header_read_timeout=10_000,
    # So a head is at most about as long; the request line has a limit of its own below that.
    max_buffer_size=2**16,
)

DRAIN_SECONDS = 1.0
"""How long the workers say that they are not ready, before a stopping service takes no more."""

COME_UP_SECONDS = 60.0
"""How long a worker goes on for a successor that does not come up."""

RETRY_SECONDS = 3.0
"""How long it is until a worker that could not start is started again."""


class DrainingServer(Server):
    """Stops in two steps on SIGTERM: first not ready, so that balancers turn away, then gone."""

    drains: Connection
    """The end of a pipe whose other end each worker has: a byte tells them to drain, and closing it
    to stop. The kernel closes it with this process, so nothing of it is left for the next one."""

    stopping = False
    """Whether a signal has ended the service; a worker that ends from then on is not replaced. The
    signal may have reached the workers too, from a terminal or a supervisor."""

    def signal_handler_interrupt(self, *arguments: Any, **more: Any) -> None:
        """Begin to stop; at once on SIGINT, or when told a second time."""
        again, self.stopping = self.stopping, True
        for worker in self.wrks:
            worker.interrupt_by_parent = True  # not an unexpected end
        if again or (arguments and arguments[0] == signal.SIGINT):
            self._stop(*arguments, **more)
        else:
            self.drains.send_bytes(b"drain")
            threading.Timer(DRAIN_SECONDS, self._stop, arguments, more).start()

    def _stop(self, *arguments: Any, **more: Any) -> None:
        self.drains.close()
        super().signal_handler_interrupt(*arguments, **more)

    def shutdown(self, exit_code: int = 0) -> None:
        """Stop the workers. Those that ended before, on the same signal, are no failure."""
        if self.stopping:
            self.interrupt_children.clear()
        super().shutdown(exit_code)

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
        up, comes_up = multiprocessing.Pipe(duplex=False)
        load = partial(callback_loader, comes_up=comes_up)
        worker = super()._spawn_worker(idx, target, load)
        # Both ends stay open: what the worker said is there after it has ended, and nothing else.
        worker.up = (up, comes_up)
        return worker

    def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
        with _sigint_blocked():
            super()._spawn_workers(spawn_target, target_loader)

    def _respawn_workers(
        self,
        workers: Iterable[int],
        spawn_target: Any,
        target_loader: Any,
        delay: float = 0,  # noqa: ARG002 - granian's way to wait for the successor
    ) -> None:
        """Replace these workers one after the other, each when its successor is up."""
        for index in workers:
            if self.stopping:
                return
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

    def _hand_over(self, index: int, spawn_target: Any, target_loader: Any) -> None:
        """Replace a worker that serves. It goes on where no successor comes up."""
        old, new = self.wrks[index], self._spawn_worker(index, spawn_target, target_loader)
        new.interrupt_by_parent = True  # if it dies now, nobody is to be put in its place
        self._start(new)
        if not self._comes_up(new):
            logger.error("worker %d goes on: no worker came up in its place", old.inner.pid)
            new.kill()
            new.join()
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

    def _start(self, worker: WorkerProcess) -> None:
        with _sigint_blocked():
            worker.start()

    def _comes_up(self, worker: WorkerProcess) -> bool:
        deadline = time.monotonic() + COME_UP_SECONDS
        while worker.is_alive() and time.monotonic() < deadline:
            if self.came_up(worker):
                return True
            time.sleep(0.05)
        return False

    def came_up(self, worker: WorkerProcess) -> bool:
        """Whether the worker was ever able to serve."""
        up, _ = worker.up
        return up.poll()

    def failed_to_start(self, worker: WorkerProcess) -> bool:
        """Whether the worker ended by itself before it could serve."""
        ended = worker.inner.exitcode not in {None, -signal.SIGKILL}
        return ended and not self.came_up(worker)


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
        if self._server.stopping:
            return default
        workers = self._server.wrks
        others_serve = any(worker.is_alive() and self._server.came_up(worker) for worker in workers)
        if others_serve or not self._server.failed_to_start(workers[index]):
            return default
        return super().get(index, default)


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """A process that is started in this block has SIGINT blocked.

    Ctrl-C in a terminal reaches the workers too, which stop when the main process tells them.
    """
    resource_tracker.ensure_running()  # or the start would do this, which unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _load_application(target: str, draining: Connection, comes_up: Connection) -> Any:
    """What a worker serves, from ``module:attribute``, until ``draining`` ends.

    The main process learns from ``comes_up`` that the worker can serve. It is a pipe and no file:
    process ids are given out again, and other PID namespaces may share the data directory.
    """
    # Blocked before any other thread is made, so that the signal waits for the one that takes it.
    # Processes that this one starts have it blocked too; they end when their pipe does.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    # Late: it takes numpy along, which makes threads, and Flask, which no main process needs.
    from cli.worker import load_application

    application = load_application(target, draining)
    with suppress(BrokenPipeError):  # the main process is gone, and this one ends for that
        comes_up.send_bytes(b"up")
    comes_up.close()
    return application


def run_workers(settings: Settings, application: str = "wsgi:app") -> None:
    """Serve ``application`` until a signal ends it; the settings are in the environment already."""
    # A forked worker would inherit this process's threads and locks half-way; a spawned one starts
    # clean.
    multiprocessing.set_start_method("spawn", force=True)
    # granian reads each body in a thread, which waits for it, so each connection has a thread;
    # `Gate` lets few of them work at a time.
    connections = most_connections() + SPARE_CONNECTIONS
    watched = preload(os.environ)
    if not watched:
        logger.warning("installed without a C compiler: bodies in chunks are refused")
    server = DrainingServer(
        application,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,  # to look at each connection for HTTP/2 costs a tenth of a prediction
        workers=settings.worker_count,
        blocking_threads=connections,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_SECONDS,
        # Nobody speaks HTTP/2 without TLS but those who try what else the server understands.
        http1_settings=HTTP1,
        # With places to spare, or those that are to be refused would wait instead.
        backpressure=connections + SPARE_CONNECTIONS if watched else connections,
        websockets=False,
        log_level=LogLevels.error,
    )
    server.respawned_wrks = RespawnTimes(server)
    draining, server.drains = multiprocessing.Pipe(duplex=False)
    # Late, since it takes Flask along, which ``hotswap`` needs for few of its commands.
    from api.telemetry_folders import own_folder, remove_folder

    with suppress(OSError):  # the workers say so
        own_folder(settings.data, os.getpid())  # held while a worker is replaced by another
    try:
        server.serve(target_loader=partial(_load_application, draining=draining))
    finally:
        do_not_preload(os.environ)
        remove_folder(settings.data, os.getpid())
