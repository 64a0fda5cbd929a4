"""A TCP port in front of a server, which passes bytes on or disturbs them as a network does."""

import enum
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

_CHUNK = 65536
_BACKLOG = 128
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing resets the connection."""


class Cut(enum.Enum):
    """What a swallowing proxy holds back: both directions, or one of them."""

    BOTH = "both"
    REQUESTS = "requests"
    REPLIES = "replies"


class Proxy:
    """Listens on ``port`` of ``address`` and connects every client to what ``connect`` returns.

    Passes everything on until told otherwise. What it has swallowed it delivers when it passes
    again, as the retransmissions of TCP do after a partition: a request that nobody waits for any
    more may then still take effect.
    """

    def __init__(self, connect: Callable[[], socket.socket], *, address: str = "127.0.0.1") -> None:
        self.address = address
        self._connect = connect
        # Bound and never listening: it keeps the port while connections are refused.
        self._keeps_port = _bound(address, 0)
        self.port: int = self._keeps_port.getsockname()[1]
        self._delay = 0.0
        self._requests, self._replies = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False
        self._listener: socket.socket | None = None
        self.restore()

    def restore(self) -> None:
        """Pass everything on, and deliver what was swallowed."""
        self._delay = 0.0
        if self._listener is None:
            listener = self._listener = _bound(self.address, self.port)
            listener.listen(_BACKLOG)
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        self._requests.set()
        self._replies.set()

    def refuse(self) -> None:
        """Reset every connection, and refuse new ones."""
        if self._listener is not None:
            _end(self._listener)
            self._listener = None
        self._end_all()

    def swallow(self, cut: Cut = Cut.BOTH) -> None:
        """Accept connections and bytes, and hold them back."""
        if cut is not Cut.REPLIES:
            self._requests.clear()
        if cut is not Cut.REQUESTS:
            self._replies.clear()

    def delay(self, seconds: float) -> None:
        """Hold back everything that arrives for ``seconds``, in each direction."""
        self._delay = seconds

    def close(self) -> None:
        """Reset every connection, and release the port."""
        self._closed = True
        self.refuse()
        self._keeps_port.close()
        self._requests.set()
        self._replies.set()

    def _end_all(self) -> None:
        with self._lock:
            ended, self._open = self._open, set()
        for each in ended:
            _end(each)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        """Connect ``near`` to the server, which learns of it when requests pass."""
        with self._lock:
            self._open.add(near)
        self._requests.wait()
        try:
            far = self._connect()
        except OSError:
            _end(near)
            return
        with self._lock:
            is_ended = self._closed or near not in self._open
            self._open.add(far)
        if is_ended:
            _end(far)
            return
        back = threading.Thread(target=self._carry, args=(far, near, self._replies), daemon=True)
        back.start()
        self._carry(near, far, self._requests)
        back.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()

    def _carry(self, source: socket.socket, sink: socket.socket, passes: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                if self._delay:
                    time.sleep(self._delay)
                passes.wait()
                sink.sendall(data)
        passes.wait()
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _bound(address: str, port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((address, port))
    return made


def _end(connection: socket.socket) -> None:
    """Reset the connection; whoever waits for it wakes up."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
