"""The connections of a worker: how many there may be, and whether the bodies on them arrive.

granian tells neither that a body broke off nor that it takes for ever. ``connections.c`` watches
what a worker receives, and says how. It is compiled when the project is installed, and preloaded
into the workers; where there was no compiler they do without.
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
"""Connections that one worker holds, idle ones too; the others are refused at once."""
SPARE_CONNECTIONS = 64
"""Connections beyond these that a worker takes for health checks."""
OTHER_FILES = 512
"""Files that a worker may have open beside its connections, and those that it sends or receives on
them: one each."""

WHOLE, BROKEN, SLOW, STOPPED = range(4)
"""How a body has arrived; the numbers are those of ``connections.c``."""

_FIELD = f"x-arrival-{secrets.token_hex(12)}"
"""Of requests whose body was not there together with their head. Nobody else knows the name, so
nobody else can send it."""
MARK = f"HTTP_{_FIELD.upper().replace('-', '_')}"
"""Where a WSGI environment has that field."""

_PRELOAD = "LD_PRELOAD"
_SPARE_PATIENCE_SECONDS = 1.0


def most_connections() -> int:
    """How many connections a worker holds; lets it and its children have as many files open.

    Fewer than ``CONNECTIONS`` where the operating system does not allow them.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * (CONNECTIONS + SPARE_CONNECTIONS) + OTHER_FILES
    if soft < needed:
        soft = min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(min(CONNECTIONS, (soft - OTHER_FILES) // 2 - SPARE_CONNECTIONS), 1)


def preload(environ: MutableMapping[str, str]) -> bool:
    """Have processes with the environment ``environ`` preload the library; False: there is none."""
    path = _path()
    if path is not None:
        environ[_PRELOAD] = ":".join(filter(None, (str(path), environ.get(_PRELOAD))))
    return path is not None


def do_not_preload(environ: MutableMapping[str, str]) -> None:
    """Take back ``preload``, for the processes that this one starts."""
    others = [name for name in environ.pop(_PRELOAD, "").split(":") if name != str(_path())]
    if any(others):
        environ[_PRELOAD] = ":".join(others)


def watch_connections(refusal: bytes, seconds: float, bytes_per_second: int) -> bool:
    """Begin to watch the connections of this process. False where the library was not preloaded.

    Connections beyond the limit are answered with ``refusal``. Bodies are read no further once the
    server has waited so many ``seconds`` for them while they arrived more slowly.
    """
    library = _library()
    if library is None or not library.connections_preloaded():
        return False
    library.connections_watch(most_connections(), SPARE_CONNECTIONS, _FIELD.encode(), refusal)
    expire = partial(library.connections_expire, seconds, bytes_per_second, _SPARE_PATIENCE_SECONDS)
    threading.Thread(target=_each_second, args=(expire,), name="connections", daemon=True).start()
    return True


def await_body(mark: str) -> None:
    """Count from now on how slowly the body arrives whose request has ``MARK`` with this value."""
    _library().connections_await(mark.encode())


def body_of(mark: str, size: int) -> int:
    """How the body has arrived whose request has the field ``MARK`` with this value.

    ``size`` bytes of it were read. A body in chunks is ``BROKEN`` if that is not all its content.
    """
    state: int = _library().connections_body(mark.encode(), size)
    return state


def end_bodies() -> None:
    """Read bodies no further that are still arriving, from a second from now on."""
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
