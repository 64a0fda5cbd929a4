"""What runs in a worker beside the application: who may come in, and how the worker ends."""

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
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from api.health import DRAINING
from api.receiving import (
    ARRIVAL,
    LEAST_BYTES_PER_SECOND,
    MAX_ANSWERS,
    PATIENCE_SECONDS,
    PLACE,
    Arrival,
    Places,
)
from cli.connections import (
    MARK,
    SLOW,
    STOPPED,
    WHOLE,
    await_body,
    body_of,
    do_not_preload,
    end_bodies,
    watch_connections,
)
from registry.engines.allocator import map_large_blocks
from registry.errors import Overloaded

SWITCH_SECONDS = 0.001
"""How long a thread may keep others from Python's lock. A prediction takes 0.04 ms and asks for it
twice; beside a promotion it would wait for Python's own 5 ms each time."""

RETIRE_SECONDS = 0.5
"""How long a worker that is to stop goes on, closing each connection with its answer."""

LAST_BODIES_SECONDS = 5.0
"""How long a worker that is to stop then waits for bodies that are arriving."""

LAST_SECONDS = 30
"""How long a worker whose main process is gone may take to finish its requests."""

STOP_SIGNAL = signal.SIGUSR1
"""Wakes the main thread for granian to stop; SIGINT and SIGTERM are blocked there."""

REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 2\r\n"
    b"Content-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%b"
)
"""What a connection gets that a worker has no room for."""

_ARRIVALS = {WHOLE: Arrival.WHOLE, SLOW: Arrival.SLOW, STOPPED: Arrival.STOPPED}


@dataclass(frozen=True, slots=True)
class WatchedBody:
    """The body of a request whose field ``MARK`` has the value ``mark``."""

    mark: str

    def begin_wait(self) -> None:
        """Count from now on how slowly it arrives."""
        await_body(self.mark)

    def arrival(self, size: int) -> Arrival:
        """How it has arrived; ``size`` bytes of it were read."""
        return _ARRIVALS.get(body_of(self.mark, size), Arrival.BROKEN)


@dataclass(slots=True)
class Stop:
    """How far a worker is with stopping: first it drains, then it retires; or it retires alone."""

    begun: bool = False
    draining: bool = False
    retiring: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the main process has drained, or is gone."""

    def drain(self) -> None:
        """The whole service is about to stop; this worker still takes every request."""
        self.draining = self.begun = True

    def retire(self) -> None:
        """This worker closes each connection with its answer."""
        self.retiring = self.begun = True


class Gate:
    """A WSGI application in front of ``app`` that lets a limited number of requests in at a time,
    and does what ``stop`` says.

    While the worker drains, a request's environment holds ``api.health.DRAINING``. While it
    retires, connections are closed: a server that stops closes those that are idle just then. A
    request that is on its way over one of them would be lost, and its client cannot tell if it was
    answered.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], stop: Stop) -> None:
        self._app = app
        self._stop = stop
        self._places = Places(MAX_ANSWERS)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if MARK in environ:
            environ[ARRIVAL] = WatchedBody(environ[MARK])
        environ[PLACE] = self._places
        self._places.enter()
        try:
            if self._stop.begun:
                environ[DRAINING] = self._stop.draining
                if self._stop.retiring:
                    start_response = _closing(start_response)
            return self._app(environ, start_response)
        finally:
            self._places.leave(None)


def _closing(start_response: Any) -> Any:
    def start_last_response(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        kept = [header for header in headers if header[0].lower() != "connection"]
        return start_response(status, [*kept, ("Connection", "close")], *more)

    return start_last_response


def load_application(target: str, draining: Connection) -> Gate:
    """What a worker serves, from ``module:attribute``.

    From now on it drains when there is a byte in ``draining``, and retires on SIGTERM, which the
    caller has blocked for all threads.
    """
    do_not_preload(os.environ)
    watch_connections(_refusal(), PATIENCE_SECONDS, LEAST_BYTES_PER_SECOND)
    stop = Stop()
    sys.setswitchinterval(SWITCH_SECONDS)
    threading.Thread(target=_retire_on_sigterm, args=(stop,), name="retire", daemon=True).start()
    signal.signal(STOP_SIGNAL, _stop_granian)
    threading.Thread(target=_follow, args=(draining, stop), name="drain", daemon=True).start()
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    # Not granian's own loader, which imports from the working directory first.
    module, _, attribute = target.partition(":")
    app = getattr(importlib.import_module(module), attribute)
    # What is there by now stays. A full collection would go through all of it, for 50 ms or more in
    # which nobody is answered.
    gc.collect()
    gc.freeze()
    map_large_blocks()
    return Gate(app, stop)


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
    """Drain and end with the main process."""
    draining.poll(None)  # until there is a byte, which each worker leaves to the others, or the end
    stop.drain()
    end = select.poll()
    end.register(draining, 0)  # a pipe that has ended is always told of
    end.poll()
    stop.ended.set()


def _stop_granian(*arguments: Any) -> None:
    """In the main thread; granian has set its own handlers since."""
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        handler(*arguments)


def _retire_on_sigterm(stop: Stop) -> None:
    """Close connections for a while before granian stops.

    Where the signal went to the main process too, this one serves until all have drained. granian
    goes on until each request is answered, so the last bodies are not waited for.
    """
    while True:
        signal.sigwait({signal.SIGTERM})
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            os._exit(0)  # nothing is served yet
        stop.retire()
        time.sleep(RETIRE_SECONDS)
        if stop.draining:
            stop.ended.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, STOP_SIGNAL)
        time.sleep(LAST_BODIES_SECONDS)
        end_bodies()


def _end_with_parent() -> None:
    """Stop as on SIGTERM when the main process is gone: nobody else would stop or replace this
    worker, and it would keep the port from the service that is started next."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_SECONDS)
    os._exit(1)
