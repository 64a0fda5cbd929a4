"""granian's server, but for when it gives up on workers that die."""

import multiprocessing
import os
import signal
import threading
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from config import Settings
from registry.serving.fleet import DrainMarker, joined_marker

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

DRAIN_SECONDS = 1.0
"""How long the workers say that they are not ready, before a stopping service takes no more."""


class DrainingServer(Server):
    """Stops in two steps on SIGTERM: first not ready, so that balancers turn away, then gone."""

    drained: DrainMarker

    def signal_handler_interrupt(self, *arguments: Any, **more: Any) -> None:
        """Begin to stop; at once on SIGINT, or when told a second time."""
        again = self.drained.is_set()
        self.drained.set()
        if again or (arguments and arguments[0] == signal.SIGINT):
            super().signal_handler_interrupt(*arguments, **more)
        else:
            stop = super().signal_handler_interrupt
            threading.Timer(DRAIN_SECONDS, stop, arguments, more).start()


class RespawnTimes(dict[int, float]):
    """When granian last replaced each worker.

    granian ends the whole server when a worker dies within 5.5 s of its start, taking that for a
    crash at start. It asks here for that time; a worker that had come up before it died was killed
    by something else, and is replaced however young it was.
    """

    def __init__(self, server: Any, workers: Path) -> None:
        super().__init__()
        self._server = server
        self._workers = workers

    def get(self, index: int, default: Any = 0) -> Any:
        """The time for granian's own test; 0, long ago, where the dead worker had come up."""
        marker = joined_marker(self._workers, self._server.wrks[index].inner.pid)
        if marker.exists():
            marker.unlink()
            return default
        return super().get(index, default)


def run_workers(settings: Settings) -> None:
    """Serve ``wsgi:app`` until a signal ends it; the settings are in the environment already."""
    # A forked worker would inherit this process's threads and locks half-way; a spawned one starts
    # clean.
    multiprocessing.set_start_method("spawn", force=True)
    server = DrainingServer(
        "wsgi:app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.worker_count,
        blocking_threads=BLOCKING_THREADS,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_SECONDS,
        # Nobody speaks HTTP/2 without TLS but those who try what else the server understands.
        http=HTTPModes.http1,
        http1_settings=HTTP1,
        backpressure=CONNECTIONS,
        websockets=False,
        log_level=LogLevels.error,
    )
    server.respawned_wrks = RespawnTimes(server, settings.data / "run" / "workers")
    server.drained = DrainMarker(settings.data / "run", os.getpid())
    try:
        server.serve()
    finally:
        server.drained.clear()
        # Late, since it takes Flask along, which this process needs for nothing else.
        from api.measures import forget_measures

        forget_measures(settings.data, os.getpid())
