"""granian's server with its own way to start, replace and stop workers.

This process keeps the listening sockets of the workers open: a connection that was not accepted
yet waits for the worker's successor. A worker that is replaced on SIGHUP stops when its successor
is ready, and it answers its open connections before it closes them.

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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder
from granian.server import Server
from granian.server.mp import WorkerProcess

from cli.connections import SPARE_CONNECTIONS, do_not_preload, most_connections, preload
from cli.interrupt import Interrupt
from cli.keeper_process import KeeperProcess
from cli.listening import BACKLOG, Listeners, listen
from cli.preparation import Preparation
from cli.respawn_times import RespawnTimes
from cli.systemd import Notifier
from cli.worker_start import SUCCEEDED, load_application
from config import Settings
from registry.watching.telemetry_folders import TelemetryFolder, own_folder

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

END_SECONDS = 4
"""How long the main process may take after that until it has ended."""

STOP_SECONDS = int(DRAIN_SECONDS) + GRACE_SECONDS + END_SECONDS
"""How long a stop takes at most; docs/starting-and-stopping.md has its phases."""

COME_UP_SECONDS = 60.0
"""How long a worker waits for its successor to come up; after that it keeps serving."""

STOPPED_FROM_OUTSIDE = {0, -signal.SIGTERM, -signal.SIGKILL}
"""Exit codes of a worker that a signal stopped while it started. Its successor answers the
connections that wait in its socket."""

RETRY_SECONDS = 3.0
"""How long to wait before a worker that failed to start is started again."""


class DrainingServer(Server):
    """Stops in two steps on SIGTERM: it first reports not ready, so that load balancers send no
    more requests, and then stops the workers."""

    listeners: Listeners
    notifier: Notifier

    drains: Connection
    """The write end of a pipe that every worker reads: a byte makes them drain, closing it makes
    them stop. The kernel closes it when this process ends, however that happens."""

    stopping = False
    """Whether the service has received a signal to stop; a worker that ends after that is not
    replaced. A terminal or a supervisor may have sent the signal to the workers too."""

    succeeded = False
    """Whether another main process has taken over the service."""

    preparation: Preparation | None = None
    """What the first worker does before any of them serves."""

    metrics: TelemetryFolder | None = None
    """Where the workers count. This process keeps it while one worker replaces another."""

    keeper: KeeperProcess | None = None
    """Stops when the service begins to stop, and is replaced together with the workers."""

    def keep_metrics(self, settings: Settings) -> None:
        """Begin to keep ``metrics``, when the service is prepared and before a worker serves."""
        with suppress(OSError):  # the workers report it
            self.metrics = own_folder(settings.data, settings.run_folder, os.getpid())

    def has_work(self) -> bool:
        """Whether granian's main loop has something to do."""
        return bool(self.interrupt_signal or self.interrupt_children or self.reload_signal)

    def signal_handler_interrupt(self, *arguments: Any, **more: Any) -> None:
        """Begin to stop; immediately on SIGINT or on a second signal."""
        again = self.stopping
        self._begin_to_stop()
        if not self.succeeded:
            self.notifier.stopping()
        if again or (arguments and arguments[0] == signal.SIGINT):
            self._stop(*arguments, **more)
        else:
            self.drains.send_bytes(b"drain")
            threading.Timer(DRAIN_SECONDS, self._stop, arguments, more).start()

    def yield_to_successor(self) -> None:
        """Stop the workers at once: a successor accepts connections from the same sockets."""
        self.succeeded = True
        self._begin_to_stop()
        super().signal_handler_interrupt()

    def _begin_to_stop(self) -> None:
        self.stopping = True
        for worker in self.wrks:
            worker.interrupt_by_parent = True  # granian then does not log an unexpected exit
        if self.keeper is not None:
            self.keeper.stop()

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
        self.listeners.close()
        if self.succeeded:
            for worker in self.wrks:
                _let_succeed(worker)
        super().shutdown(exit_code)

    def _reload(self, spawn_target: Any, target_loader: Any) -> None:
        """Replace all workers. Those of a service that is not prepared yet have just started."""
        if self.preparation is not None and not self.preparation.is_finished:
            self.reload_signal = False
            self.main_loop_interrupt.clear()
            return
        self.notifier.reloading()
        super()._reload(spawn_target, target_loader)
        if self.keeper is not None:
            self.keeper.replace()
        self.notifier.ready()

    def _init_shared_socket(self) -> None:
        """Bind nothing: connections that wait in the sockets of this process survive a worker; with
        granian's own, one in each worker, they do not."""

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> WorkerProcess:
        # granian passes these two to the worker: the socket, and the holder of its descriptor.
        self._sso = self.listeners.of(idx)
        is_unix = self._sso.family == socket.AF_UNIX
        self._shd = SocketHolder(self._sso.fileno(), is_unix, BACKLOG)
        up, comes_up = multiprocessing.Pipe(duplex=False)
        ready, becomes_ready = multiprocessing.Pipe(duplex=False)
        load = partial(
            callback_loader,
            comes_up=comes_up,
            becomes_ready=becomes_ready,
            preparation=self.preparation and self.preparation.part_of(idx),
        )
        worker = super()._spawn_worker(idx, target, load)
        # Both ends stay open, so that what the worker wrote can be read after it has ended.
        worker.up, worker.ready = (up, comes_up), (ready, becomes_ready)
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
            self.listeners.silence(index)
            time.sleep(RETRY_SECONDS)
            if self.stopping:
                return
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
        old.interrupt_by_parent = True
        _let_succeed(old)
        old.join(GRACE_SECONDS)
        old.kill()
        old.join()

    def _start(self, worker: WorkerProcess) -> None:
        with _sigint_blocked():
            worker.start()

    def _comes_up(self, worker: WorkerProcess) -> bool:
        """Wait until the worker is ready; whether it could serve when that took too long."""
        deadline = time.monotonic() + COME_UP_SECONDS
        while worker.is_alive() and time.monotonic() < deadline:
            if _has_reported(worker.ready):
                return True
            time.sleep(0.05)
        return worker.is_alive() and self.came_up(worker)

    def came_up(self, worker: WorkerProcess) -> bool:
        """Whether the worker was ever able to serve."""
        return _has_reported(worker.up)

    def any_up(self) -> bool:
        """Whether a worker can serve."""
        return any(self.came_up(worker) for worker in list(self.wrks))

    def any_ready(self) -> bool:
        """Whether a worker has loaded the live versions."""
        return any(_has_reported(worker.ready) for worker in list(self.wrks))

    def all_ready(self) -> bool:
        """Whether every worker has loaded the live versions."""
        started = list(self.wrks)
        return len(started) == self.workers and all(_has_reported(one.ready) for one in started)

    def any_ended(self) -> bool:
        """Whether a worker has ended."""
        return any(worker.inner.exitcode is not None for worker in list(self.wrks))

    def failed_to_start(self, worker: WorkerProcess) -> bool:
        """Whether the worker ended by itself before it could serve."""
        ended = worker.inner.exitcode not in {None, *STOPPED_FROM_OUTSIDE}
        return ended and not self.came_up(worker)


def _has_reported(pipe: tuple[Connection, Connection]) -> bool:
    return pipe[0].poll()


def _let_succeed(worker: WorkerProcess) -> None:
    """Stop a worker whose successor accepts from the same socket."""
    if worker.is_alive():
        os.kill(worker.inner.pid, SUCCEEDED)


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


def run_workers(
    settings: Settings,
    application: str = "wsgi:app",
    *,
    listeners: Listeners | None = None,
    notifier: Notifier | None = None,
    preparation: Preparation | None = None,
    beside: Callable[[DrainingServer], None] | None = None,
) -> None:
    """Serve ``application`` on ``listeners`` (default: new ones at the address of ``settings``)
    until a signal stops it. The workers read ``settings`` from the environment, where the caller
    has put them.

    ``preparation`` is made by the first worker; without it, the service is prepared already.
    ``beside`` is called with the server in a thread of its own.
    """
    listeners = listeners or listen(settings)
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
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,  # detecting HTTP/2 on each connection costs a tenth of a prediction
        workers=listeners.fit(settings),
        blocking_threads=connections,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_SECONDS,
        http1_settings=HTTP1,
        # More than are allowed, so that a connection beyond the limit is refused and does not wait.
        backpressure=connections + SPARE_CONNECTIONS if watched else connections,
        websockets=False,
        log_level=LogLevels.error,
    )
    server.listeners, server.notifier = listeners, notifier or Notifier("")
    server.preparation = preparation
    server.main_loop_interrupt = Interrupt(server.has_work)
    server.respawned_wrks = RespawnTimes(server)
    draining, server.drains = multiprocessing.Pipe(duplex=False)
    if preparation is None:
        server.keep_metrics(settings)
    if beside is not None:
        threading.Thread(target=beside, args=(server,), name="main", daemon=True).start()
    try:
        server.serve(target_loader=partial(load_application, draining=draining))
    finally:
        listeners.close()
        do_not_preload(os.environ)
        if server.metrics is not None:
            server.metrics.release()
