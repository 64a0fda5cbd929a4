"""What runs in a worker next to the application: the limit on requests, and how it stops."""

import gc
import importlib
import json
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from flask import Flask

from api.health import DRAINING, is_ready
from api.receiving import (
    ARRIVAL,
    LEAST_BYTES_PER_SECOND,
    MAX_ANSWERS,
    PATIENCE_SECONDS,
    PLACE,
    Arrival,
    Places,
)
from api.worker_reports import worker_reports
from cli.connections import (
    MARK,
    SLOW,
    STOPPED,
    WHOLE,
    await_body,
    body_of,
    do_not_preload,
    end_bodies,
    leave_connections,
    open_connections,
    watch_connections,
)
from cli.preparation import Part
from cli.scheduling import Scheduling
from cli.worker_start import ENDS, SUCCEEDED
from registry.engines.allocator import map_large_blocks
from registry.errors import Overloaded

SWITCH_SECONDS = 0.0001
"""How long a thread may hold Python's lock while others wait. A prediction takes 0.04 ms and
acquires it several times; during a promotion it would wait 5 ms each time with Python's own
setting. Nor may it be as long as the time between the statements of a promotion, which release the
lock and take it again at once: whoever waits then begins to wait anew."""

RETIRE_SECONDS = 0.5
"""How long a stopping worker keeps serving, closing each connection after its response."""

SUCCEEDED_SECONDS = 3.0
"""The same for a worker with a successor; it ends earlier when its last connection is closed. Its
clients do not know that they should reconnect, and one that pauses would lose its next request."""

LAST_BODIES_SECONDS = 5.0
"""How long a stopping worker then waits for bodies that are still arriving."""

LAST_SECONDS = 30
"""How long a worker may take to finish its requests after its main process has ended."""

_PAUSE_SECONDS = 0.05

STOP_SIGNAL = signal.SIGUSR1
"""Sent to the main thread to stop granian; SIGINT and SIGTERM are blocked there."""

REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 2\r\n"
    b"Content-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%b"
)
"""The response to a connection beyond the worker's limit."""

_ARRIVALS = {WHOLE: Arrival.WHOLE, SLOW: Arrival.SLOW, STOPPED: Arrival.STOPPED}


@dataclass(frozen=True, slots=True)
class WatchedBody:
    """The body of the request whose header field ``MARK`` has the value ``mark``."""

    mark: str

    def begin_wait(self) -> None:
        """Measure its rate from now on."""
        await_body(self.mark)

    def arrival(self, size: int) -> Arrival:
        """Its state after ``size`` bytes of it were read."""
        return _ARRIVALS.get(body_of(self.mark, size), Arrival.BROKEN)


@dataclass(slots=True)
class Stop:
    """How far a worker has stopped. When the service stops, the worker drains and then retires;
    when only this worker stops, it retires at once."""

    begun: bool = False
    draining: bool = False
    retiring: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the main process has finished draining, or has ended."""

    def drain(self) -> None:
        """The service is about to stop; this worker still accepts every request."""
        self.draining = self.begun = True

    def retire(self) -> None:
        """This worker closes each connection after its response."""
        self.retiring = self.begun = True


class Gate:
    """A WSGI application in front of ``app`` that limits the number of concurrent requests and
    applies the state ``stop``.

    While the worker drains, a request's environment has ``api.health.DRAINING``. While it retires,
    each connection is closed after its response. Otherwise granian would close idle connections
    when it stops, and a request already sent over one would be lost without its client knowing.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], stop: Stop) -> None:
        self._app = app
        self._stop = stop
        self.places = Places(MAX_ANSWERS)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if MARK in environ:
            environ[ARRIVAL] = WatchedBody(environ[MARK])
        environ[PLACE] = self.places
        self.places.enter()
        try:
            if self._stop.begun:
                environ[DRAINING] = self._stop.draining
                if self._stop.retiring:
                    start_response = _closing(start_response)
            return self._app(environ, start_response)
        finally:
            self.places.leave(None)


def _closing(start_response: Any) -> Any:
    def start_last_response(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        kept = [header for header in headers if header[0].lower() != "connection"]
        return start_response(status, [*kept, ("Connection", "close")], *more)

    return start_last_response


def application_of(
    target: str, draining: Connection, becomes_ready: Connection, preparation: Part | None = None
) -> Gate:
    """The application that a worker serves, from ``module:attribute``.

    First takes its part in the ``preparation`` of the service. Writes to ``becomes_ready`` when it
    has loaded the live versions.

    From now on the worker drains when ``draining`` holds a byte, and retires on ``ENDS``, which the
    caller has blocked for all threads.
    """
    do_not_preload(os.environ)
    watch_connections(_refusal(), PATIENCE_SECONDS, LEAST_BYTES_PER_SECOND)
    stop = Stop()
    sys.setswitchinterval(SWITCH_SECONDS)
    threading.Thread(target=_retire_on_signal, args=(stop,), name="retire", daemon=True).start()
    signal.signal(STOP_SIGNAL, _stop_granian)
    threading.Thread(target=_follow, args=(draining, stop), name="drain", daemon=True).start()
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    if preparation is not None:
        preparation.take()
    # Not granian's own loader, which imports from the working directory first.
    module, _, attribute = target.partition(":")
    app = getattr(importlib.import_module(module), attribute)
    # Objects that exist by now stay. A full collection would traverse all of them and stop every
    # request for 50 ms or more. The few that are garbage already stay too.
    gc.freeze()
    gc.enable()  # ``load_application`` has disabled it
    map_large_blocks()
    if sys.platform == "linux":
        Scheduling().follow()
    threading.Thread(
        target=_report_ready, args=(app, becomes_ready), name="ready", daemon=True
    ).start()
    gate = Gate(app, stop)
    if isinstance(app, Flask):
        worker_reports(app).places = gate.places
    return gate


def _report_ready(app: Any, becomes_ready: Connection) -> None:
    while isinstance(app, Flask) and not is_ready(app):
        time.sleep(0.05)
    with suppress(BrokenPipeError):  # the main process is gone; this one will end because of it
        becomes_ready.send_bytes(b"ready")
    becomes_ready.close()


def _refusal() -> bytes:
    problem = {
        "type": "/problems/overloaded",
        "title": Overloaded.title,
        "status": 503,
        "detail": "This worker has as many connections as it can hold. Try again.",
    }
    body = json.dumps(problem).encode()
    return REFUSAL % (len(body), body)


def _follow(draining: Connection, stop: Stop) -> None:
    """Drain when the main process does, and record when it has finished or ended."""
    draining.poll(None)  # until there is a byte, which is left there for the others, or the end
    stop.drain()
    end = select.poll()
    end.register(draining, 0)  # poll always reports that a pipe was closed
    end.poll()
    stop.ended.set()


def _stop_granian(*arguments: Any) -> None:
    """Call the handler that granian has set for SIGTERM; runs in the main thread."""
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        handler(*arguments)


def _retire_on_signal(stop: Stop) -> None:
    """On a signal of ``ENDS``, close connections after their responses for a while, then stop
    granian.

    A worker with a successor first stops accepting: granian would close a connection that it has
    just accepted, and lose the request. If the main process received SIGTERM too, this worker
    serves until it has finished draining. granian waits for every request to finish, so bodies that
    still arrive are ended.
    """
    while True:
        received = signal.sigwait(ENDS)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            os._exit(0)  # granian does not serve yet
        if received == SUCCEEDED:
            leave_connections()
        stop.retire()
        if received == SUCCEEDED:
            _wait_for_last_connection()
        else:
            time.sleep(RETIRE_SECONDS)
        if stop.draining:
            stop.ended.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, STOP_SIGNAL)
        time.sleep(LAST_BODIES_SECONDS)
        end_bodies()


def _wait_for_last_connection() -> None:
    deadline = time.monotonic() + SUCCEEDED_SECONDS
    while open_connections() != 0 and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)


def _end_with_parent() -> None:
    """Stop as on SIGTERM when the main process ends. Otherwise nothing would stop this worker, and
    the next service could not use the port."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_SECONDS)
    os._exit(1)
