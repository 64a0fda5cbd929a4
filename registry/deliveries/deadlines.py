"""A limit for the duration of an exchange as a whole."""

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self


class Deadline:
    """Shuts the watched socket down after ``seconds``, at the end of which TimeoutError is raised.

    The timeout of a socket alone is not enough: it is one for each call, so a server that sends a
    byte every few seconds would never reach it.
    """

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._passed = False
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def watch(self, connection: socket.socket, parts: int = 1) -> None:
        """Apply to ``connection``, instead of the one before. Raises TimeoutError.

        One of its calls may take one of so many equal ``parts`` of the time that remains.
        """
        with self._lock:
            remaining = self._ends - time.monotonic()
            if self._passed or remaining <= 0:
                raise TimeoutError
            connection.settimeout(remaining / parts)
            self._socket = connection

    def check(self) -> None:
        """Raises TimeoutError if the time is over."""
        if self._passed:
            raise TimeoutError

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._socket = None
            passed = self._passed
        if passed and isinstance(error, Exception):
            raise TimeoutError from error

    def _pass(self) -> None:
        with self._lock:
            self._passed = True
            if self._socket is not None:
                with suppress(OSError):
                    # Not SSLSocket's own, which another thread's reading does not expect.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
