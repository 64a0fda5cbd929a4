"""The connections of a worker: how many there may be, and whether request bodies arrive whole.

granian reports neither a body that broke off nor one that never ends. ``connections.c`` watches
what a worker receives. It is compiled when the project is installed, and preloaded into the
workers; an installation without a C compiler does without it and refuses bodies in chunks.
"""

import ctypes
import os
import resource
import secrets
import threading
import time
from collections.abc import Callable, MutableMapping
from functools import cache, partial
from pathlib import Path
from typing import Any

CONNECTIONS = 1024
"""Connections that one worker holds, idle ones included; others are refused immediately."""
SPARE_CONNECTIONS = 64
"""Additional connections that a worker accepts for health checks."""
OTHER_FILES = 512
"""Files that a worker may have open in addition to two for each connection: its socket, and a
file that is sent or received on it."""

WHOLE, BROKEN, SLOW, STOPPED = range(4)
"""How a body arrived; the numbers are those of ``connections.c``."""

_FIELD = f"x-arrival-{secrets.token_hex(12)}"
"""The header field that is added to requests whose body did not arrive together with their head.
Its name is random, so that no client can send it."""
MARK = f"HTTP_{_FIELD.upper().replace('-', '_')}"
"""The key of that field in a WSGI environment."""

_PRELOAD = "LD_PRELOAD"
_SPARE_PATIENCE_SECONDS = 1.0


def most_connections() -> int:
    """How many connections a worker holds. Raises this process's limit on open files to match,
    which child processes inherit.

    Fewer than ``CONNECTIONS`` where the hard limit of the operating system is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * (CONNECTIONS + SPARE_CONNECTIONS) + OTHER_FILES
    if soft < needed:
        soft = min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(min(CONNECTIONS, (soft - OTHER_FILES) // 2 - SPARE_CONNECTIONS), 1)


def preload(environ: MutableMapping[str, str]) -> bool:
    """Make processes with the environment ``environ`` preload the library. False if it was not
    compiled."""
    path = _path()
    if path is not None:
        environ[_PRELOAD] = ":".join(filter(None, (str(path), environ.get(_PRELOAD))))
    return path is not None


def do_not_preload(environ: MutableMapping[str, str]) -> None:
    """Undo ``preload``, for the processes that this one starts."""
    others = [name for name in environ.pop(_PRELOAD, "").split(":") if name != str(_path())]
    if any(others):
        environ[_PRELOAD] = ":".join(others)


def watch_connections(refusal: bytes, seconds: float, bytes_per_second: int) -> bool:
    """Begin to watch the connections of this process. False if the library was not preloaded.

    Connections beyond the limit are answered with ``refusal``. Reading of a body ends once the
    server has waited ``seconds`` for it while it arrived at less than ``bytes_per_second``.
    """
    library = _library()
    if library is None or not library.connections_preloaded():
        return False
    library.connections_watch(most_connections(), SPARE_CONNECTIONS, _FIELD.encode(), refusal)
    expire = partial(library.connections_expire, seconds, bytes_per_second, _SPARE_PATIENCE_SECONDS)
    threading.Thread(target=_each_second, args=(expire,), name="connections", daemon=True).start()
    return True


def leave_connections() -> None:
    """Accept no more connections: another process accepts them from the same socket."""
    library = _library()
    if library is not None:
        library.connections_leave()


def open_connections() -> int | None:
    """How many connections this process holds. None if the library was not preloaded."""
    library = _library()
    if library is None or not library.connections_preloaded():
        return None
    count: int = library.connections_open()
    return count


def await_body(mark: str) -> None:
    """Measure from now on the rate of the body whose request has ``MARK`` with this value."""
    _library().connections_await(mark.encode())


def body_of(mark: str, size: int) -> int:
    """How the body arrived whose request has the field ``MARK`` with this value, after ``size``
    bytes of it were read. A body in chunks is ``BROKEN`` if that is not all its content.
    """
    state: int = _library().connections_body(mark.encode(), size)
    return state


def end_bodies() -> None:
    """End the reading of bodies that are still arriving, within about a second."""
    library = _library()
    if library is not None:
        library.connections_stop()


def _each_second(work: Callable[[], object]) -> None:
    while True:
        time.sleep(1)
        work()


def _path() -> Path | None:
    return next(Path(__file__).parent.glob("_connections.*so"), None)


@cache
def _library() -> Any:
    path = _path()
    if path is None:
        return None
    library = ctypes.CDLL(os.fspath(path))
    library.connections_watch.argtypes = [ctypes.c_int, ctypes.c_int, *[ctypes.c_char_p] * 2]
    library.connections_expire.argtypes = [ctypes.c_double] * 3
    library.connections_await.argtypes = [ctypes.c_char_p]
    library.connections_body.argtypes = [ctypes.c_char_p, ctypes.c_ulonglong]
    return library
