"""Unit tests touch no disk, no network and no other process: one that tries to fails.

Tests that need any of these are in ``tests/integration``.
"""

import os
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FORBIDDEN = frozenset(
    {
        *("socket.bind", "socket.connect", "socket.sendto", "socket.getaddrinfo"),
        *("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"),
        *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
        *("tempfile.mkstemp", "tempfile.mkdtemp", "sqlite3.connect"),
    }
)
HERE = Path(__file__).parent
CACHES = ("__pycache__", f"{os.sep}.hypothesis")
"""What Python and Hypothesis may write at any time."""

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_running: list[str] = []
"""The unit test that this process runs at the moment."""


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook; Python raises these events wherever the call comes from.

    Threads and finalizers may belong to a test that ran earlier in this process.
    """
    if not _running or threading.current_thread() is not threading.main_thread():
        return
    if event not in FORBIDDEN and not (event == "open" and _writes(*arguments)):
        return
    if _in_finalizer():
        return
    if not any(cached in str(arguments[:1]) for cached in CACHES):
        shown = ", ".join(map(repr, arguments[:2]))
        pytest.fail(f"a unit test caused {event}({shown}); move it to tests/integration")


def _in_finalizer() -> bool:
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "__del__" or frame.f_code.co_filename == weakref.__file__:
            return True
    return False


def _writes(path: object, _: object, flags: int) -> bool:
    """Whether it opens a file for writing; an int is a descriptor that is open already."""
    return bool(flags & _WRITES) and not isinstance(path, int) and path != os.devnull


sys.addaudithook(_refuse)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    # Called for the tests of other folders too. Not the setup and teardown: the last test of a
    # process tears down what all tests share.
    if HERE in item.path.parents:
        _running.append(item.nodeid)
    try:
        return (yield)
    finally:
        _running.clear()
