"""A connection that ``connections.c`` watches, both its ends in one process that preloads it."""

import ctypes
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cli.connections import SLOW

PATIENCE_SECONDS = 20
LEAST_BYTES_PER_SECOND = 1024
SMALL_BUFFER = 4096
ANSWER = b"x" * 2**16


@contextmanager
def watched_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's end and the client's of a connection with small buffers."""
    library = ctypes.CDLL(None)
    library.connections_watch(10, 1, b"x-arrival", b"")
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        client.connect(listener.getsockname())
        # As the HTTP library accepts; Python's own sockets are not watched.
        accepted = library.accept4(listener.fileno(), None, None, socket.SOCK_NONBLOCK)
        with socket.socket(fileno=accepted) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
            yield server, client


def seconds_until_closed(
    seconds: int, *, taken: int, every: int = 1, answered: bool = True
) -> int | None:
    """When the watch closes a connection whose client reads ``taken`` bytes ``every`` so many
    seconds.

    None where it is open after so many ``seconds``. ``answered``: there is always more to read.
    """
    library = ctypes.CDLL(None)
    expire = library.connections_expire
    expire.argtypes = [ctypes.c_double] * 3
    with watched_pair() as (server, client):
        for second in range(seconds):
            left = 0 if second % every else taken
            try:
                if answered:
                    _fill(server)
                while left:
                    left -= len(client.recv(min(left, SMALL_BUFFER)))
                    _fill(server)
            except BrokenPipeError:
                return second
            expire(PATIENCE_SECONDS, LEAST_BYTES_PER_SECOND, 1.0)
    return None


def stays_open_far_away(seconds: int) -> bool:
    """Whether the watch lets a client be to which an answer is always under way, as over a long
    distance, and which has read each one when the watch looks again."""
    library = ctypes.CDLL(None)
    library.connections_expire.argtypes = [ctypes.c_double] * 3
    with watched_pair() as (server, client):
        for _ in range(seconds):
            _fill(server)
            # Of answers much smaller than these, as many would be less than the least rate.
            library.connections_expire(PATIENCE_SECONDS, 2.0**40, 1.0)
            while select.select([client], [], [], 0.01)[0]:
                if not client.recv(2**16):
                    return False
    return True


def body_is_ended(*, awaited: bool) -> bool:
    """Whether the watch ends a body of which nothing arrives when its patience is over."""
    library = ctypes.CDLL(None)
    library.connections_expire.argtypes = [ctypes.c_double] * 3
    with watched_pair() as (server, client):
        client.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        select.select([server], [], [])
        mark = server.recv(4096).partition(b"x-arrival: ")[2].partition(b"\r\n")[0]
        if awaited:
            library.connections_await(mark)
        time.sleep(0.2)
        library.connections_expire(0.1, LEAST_BYTES_PER_SECOND, 1.0)
        return library.connections_body(mark, 0) == SLOW


def delivered(*parts: bytes) -> bytes:
    """What the server receives of a request that arrives in these parts."""
    with watched_pair() as (server, client):
        received = b""
        for part in parts:
            client.sendall(part)
            select.select([server], [], [])
            with suppress(BlockingIOError):  # a part of which nothing is passed on yet
                received += server.recv(4096)
        return received


def received_after_early_answer(length: int) -> tuple[int, bytes]:
    """How much of a body of ``length`` bytes a client can send whose request is answered, and its
    connection closed, when the head has arrived; and what it receives then."""
    with watched_pair() as (server, client):
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % length)
        select.select([server], [], [])
        server.recv(4096)
        server.sendall(b"refused")
        server.close()
        sent, received, piece = 0, b"", bytes(2**16)
        with suppress(ConnectionError):
            while sent < length:
                sent += client.send(piece[: length - sent])
            while part := client.recv(4096):
                received += part
        return sent, received


def _fill(server: socket.socket) -> None:
    """Send until the client's buffer and the server's are full."""
    with suppress(BlockingIOError):
        while True:
            server.send(ANSWER)
