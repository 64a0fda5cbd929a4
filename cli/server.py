"""granian's server with its own way to start, replace and stop workers.

Each worker has a listening socket that this process keeps open: a connection that was not accepted
yet waits for the worker's successor. A worker that is replaced on SIGHUP stops when its successor
is up, and it answers its open connections before it closes them.

granian has no public hooks for this, so ``DrainingServer`` overrides private methods and sets
private attributes. tests/integration/cli/test_granian_internals.py checks each of them.
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
"""How long a worker may take to finish its requests when it stops."""

HTTP1 = HTTP1Settings(
    # Milliseconds for the head of a request, and between two requests on one connection.
    header_read_timeout=10_000,
    # This also limits the head of a request; the request line has a lower limit of its own.
    max_buffer_size=2**16,
)

DRAIN_SECONDS = 1.0
"""How long a stopping service reports that it is not ready before it refuses connections."""

COME_UP_SECONDS = 60.0
"""How long a worker waits for its successor to come up; after that it keeps serving."""

RETRY_SECONDS = 3.0
"""How long to wait before a worker that failed to start is started again."""


class DrainingServer(Server):
    """Stops in two steps on SIGTERM: it first reports not ready, so that load balancers send no
    more requests, and then stops the workers."""

    drains: Connection
    """The write end of a pipe that every worker reads: a byte makes them drain, closing it makes
    them stop. The kernel closes it when this process ends, however that happens."""

    stopping = False
    """Whether the service has received a signal to stop; a worker that ends after that is not
    replaced. A terminal or a supervisor may have sent the signal to the workers too."""

    def signal_handler_interrupt(self, *arguments: Any, **more: Any) -> None:
        """Begin to stop; immediately on SIGINT or on a second signal."""
        again, self.stopping = self.stopping, True
        for worker in self.wrks:
            worker.interrupt_by_parent = True  # granian then does not log an unexpected exit
        if again or (arguments and arguments[0] == signal.SIGINT):
            self._stop(*arguments, **more)
        else:
            self.drains.send_bytes(b"drain")
            threading.Timer(DRAIN_SECONDS, self._stop, arguments, more).start()

    def _stop(self, *arguments: Any, **more: Any) -> None:
        self.drains.close()
        super().signal_handler_interrupt(*arguments, **more)

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        """Bind the sockets and start the workers."""
        with _sigint_blocked():
            super().startup(spawn_target, target_loader)

    def shutdown(self, exit_code: int = 0) -> None:
        """Stop the workers. Exits with 1 only if one of them ended before the service was
        stopped."""
        if self.stopping:
            self.interrupt_children.clear()
        for listener in self._listeners:
            listener.close()
        super().shutdown(exit_code)

    def _init_shared_socket(self) -> None:
        """Bind a socket for each worker, which listens as soon as the worker is up.

        The kernel distributes connections evenly over the sockets. Connections that wait in a
        socket survive its worker; with granian's own sockets, one in each worker, they do not.
        """
        spec = SocketSpec(self.bind_addr, self.bind_port, self.backlog)
        self._holders = [spec.build() for _ in range(self.workers)]
        self._listeners = [socket.socket(fileno=holder.get_fd()) for holder in self._holders]

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> WorkerProcess:
        # granian passes these two to the worker: the socket, and the holder of its descriptor.
        self._sso, self._shd = self._listeners[idx], self._holders[idx]
        up, comes_up = multiprocessing.Pipe(duplex=False)
        load = partial(callback_loader, comes_up=comes_up)
        worker = super()._spawn_worker(idx, target, load)
        # Both ends stay open, so that what the worker wrote can be read after it has ended.
        worker.up = (up, comes_up)
        return worker

    def _respawn_workers(
        self,
        workers: Iterable[int],
        spawn_target: Any,
        target_loader: Any,
        delay: float = 0,  # noqa: ARG002 - granian's fixed wait for the successor
    ) -> None:
        """Replace these workers one after the other. A live one stops when its successor is up."""
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
            # Stop listening, so that connections go to the other workers.
            with suppress(OSError):  # raised where the socket never listened
                self._listeners[index].shutdown(socket.SHUT_RDWR)
            time.sleep(RETRY_SECONDS)
        self.respawned_wrks[index] = time.monotonic()
        self.wrks[index] = self._spawn_worker(index, spawn_target, target_loader)
        self._start(self.wrks[index])

    def _hand_over(self, index: int, spawn_target: Any, target_loader: Any) -> None:
        """Replace a worker that serves. If no successor comes up, it keeps serving."""
        old, new = self.wrks[index], self._spawn_worker(index, spawn_target, target_loader)
        new.interrupt_by_parent = True  # if it dies now, granian must not replace it
        self._start(new)
        if not self._comes_up(new):
            logger.error("worker %d keeps serving: its successor did not start", old.inner.pid)
            new.kill()
            new.join()
            return
        self.wrks[index] = new
        new.interrupt_by_parent = False
        if not new.is_alive():  # it died while granian ignored it: report that now
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
    """The times at which granian last replaced each worker; takes the place of
    ``Server.respawned_wrks``.

    granian reads the time here when a worker dies. If that was within 5.5 s of its start, granian
    assumes a crash at start and ends the whole server. Here that applies only to a worker that
    failed to start while no other one serves: a worker that had come up, or was killed, is
    replaced, and a damaged database must not end the workers that still serve from memory.
    """

    def __init__(self, server: DrainingServer) -> None:
        super().__init__()
        self._server = server

    def get(self, index: int, default: Any = 0) -> Any:
        """When the worker was replaced; 0 (long ago) where the server must keep running."""
        if self._server.stopping:
            return default
        workers = self._server.wrks
        others_serve = any(worker.is_alive() and self._server.came_up(worker) for worker in workers)
        if others_serve or not self._server.failed_to_start(workers[index]):
            return default
        return super().get(index, default)


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Block SIGINT for the processes that are started in this block.

    Ctrl-C in a terminal reaches the workers too; they stop when the main process requests it.
    """
    resource_tracker.ensure_running()  # otherwise the first start does this and unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _load_application(target: str, draining: Connection, comes_up: Connection) -> Any:
    """The application that a worker serves, from ``module:attribute``.

    The worker stops when ``draining`` is closed, and writes to ``comes_up`` when it can serve. That
    is a pipe, not a file, because process ids are reused and other PID namespaces may share the
    data directory.
    """
    # Blocked before any thread is started, so that only the thread that waits for it receives it.
    # Child processes inherit the block; they end when their pipe is closed.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    # Imported late: it imports numpy, which starts threads, and Flask, which the main process does
    # not need.
    from cli.worker import load_application

    application = load_application(target, draining)
    with suppress(BrokenPipeError):  # the main process is gone; this one will end because of it
        comes_up.send_bytes(b"up")
    comes_up.close()
    return application


def run_workers(settings: Settings, application: str = "wsgi:app") -> None:
    """Serve ``application`` until a signal stops it. The workers read ``settings`` from the
    environment, where the caller has put them."""
    # A forked worker would inherit locks that other threads of this process hold.
    multiprocessing.set_start_method("spawn", force=True)
    # granian blocks a thread while it reads a body, so there is a thread for each connection;
    # `Gate` limits how many of them work at a time.
    connections = most_connections() + SPARE_CONNECTIONS
    watched = preload(os.environ)
    if not watched:
        logger.warning("installed without a C compiler: bodies in chunks are refused")
    server = DrainingServer(
        application,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,  # detecting HTTP/2 on each connection costs a tenth of a prediction
        workers=settings.worker_count,
        blocking_threads=connections,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_SECONDS,
        http1_settings=HTTP1,
        # More than are allowed, so that a connection beyond the limit is refused and does not wait.
        backpressure=connections + SPARE_CONNECTIONS if watched else connections,
        websockets=False,
        log_level=LogLevels.error,
    )
    server.respawned_wrks = RespawnTimes(server)
    draining, server.drains = multiprocessing.Pipe(duplex=False)
    # Imported late: it imports Flask, which few commands of ``hotswap`` need.
    from api.telemetry_folders import own_folder

    metrics = None
    with suppress(OSError):  # the workers report it
        metrics = own_folder(settings.data, os.getpid())  # kept while one worker replaces another
    try:
        server.serve(target_loader=partial(_load_application, draining=draining))
    finally:
        do_not_preload(os.environ)
        if metrics is not None:
            metrics.release()
