"""Predictions with a key each, many at a time on few connections."""

import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.swap import OWN

AT_ONCE = 64
"""Requests that are sent on a connection before their answers are read."""

SECONDS = 60
ATTEMPTS = 64
"""Connections to open before each of a few workers must have accepted one."""

_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_VERSION = re.compile(rb"\r\nx-model-version: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one key; ``version`` is 0 where none was named."""

    status: int
    version: int
    body: bytes


class KeyedConnection:
    """One connection to a service at ``url``; ``token`` may predict."""

    def __init__(self, url: str, token: str, model: str) -> None:
        address = urlsplit(url)
        self._before = (
            f"POST {OWN.path.format(model=model)} HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nX-Request-Key: "
        ).encode()
        self._socket = socket.create_connection((address.hostname or "", address.port or 80))
        self._socket.settimeout(SECONDS)
        self._received = b""

    def ask(self, keys: Sequence[bytes], body: bytes = OWN.body) -> list[Answer]:
        """The answers to ``body`` with each of ``keys``, in their order. Raises OSError if the
        connection breaks."""
        after = b"\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        answers = []
        for start in range(0, len(keys), AT_ONCE):
            now = keys[start : start + AT_ONCE]
            self._socket.sendall(b"".join(self._before + key + after for key in now))
            answers += [self._next() for _ in now]
        return answers

    def worker(self, pids: Sequence[int]) -> int:
        """Which of these processes has accepted the connection. Raises LookupError if none has."""
        own, other = self._socket.getsockname()[1], self._socket.getpeername()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, *rest = line.split()
            if (int(local[-4:], 16), int(remote[-4:], 16)) == (other, own):
                wanted = f"socket:[{rest[6]}]"
                for pid in pids:
                    if wanted in _open_files(pid):
                        return pid
        raise LookupError(f"none of {pids} has the connection from port {own}")

    def close(self) -> None:
        self._socket.close()

    def _next(self) -> Answer:
        while b"\r\n\r\n" not in self._received:
            self._read()
        head, _, rest = self._received.partition(b"\r\n\r\n")
        status, length = _HEAD.match(head), _LENGTH.search(head)
        if status is None or length is None:
            raise OSError(f"expected the head of a response, got {head[:200]!r}")
        size = int(length[1])
        self._received = rest
        while len(self._received) < size:
            self._read()
        body, self._received = self._received[:size], self._received[size:]
        version = _VERSION.search(head)
        return Answer(int(status[1]), int(version[1]) if version else 0, body)

    def _read(self) -> None:
        piece = self._socket.recv(2**18)
        if not piece:
            raise ConnectionResetError(f"closed after {self._received[:200]!r}")
        self._received += piece


@contextmanager
def connected(url: str, token: str, model: str) -> Iterator[KeyedConnection]:
    """A connection until the block ends."""
    connection = KeyedConnection(url, token, model)
    try:
        yield connection
    finally:
        connection.close()


def answers_to(
    url: str, token: str, model: str, keys: Sequence[bytes], connections: int = 4
) -> list[Answer]:
    """The answers to ``keys``, in their order, each on one of so many connections.

    Raises RuntimeError if a connection broke.
    """
    parts: list[list[Answer]] = [[] for _ in range(connections)]
    size = -(-len(keys) // connections)

    def ask(place: int) -> None:
        with connected(url, token, model) as connection:
            parts[place] = connection.ask(keys[place * size : (place + 1) * size])

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = [answer for part in parts for answer in part]
    if len(answers) != len(keys):
        raise RuntimeError(f"{len(keys) - len(answers)} of {len(keys)} requests were not answered")
    return answers


@contextmanager
def one_to_each_worker(
    url: str, token: str, model: str, pids: Sequence[int]
) -> Iterator[dict[int, KeyedConnection]]:
    """A connection to each of these workers, by their process ids, until the block ends.

    Raises LookupError if one of them accepts none.
    """
    found: dict[int, KeyedConnection] = {}
    with ExitStack() as open_:
        for _ in range(ATTEMPTS):
            connection = open_.enter_context(connected(url, token, model))
            connection.ask([b"which worker"])
            found.setdefault(connection.worker(pids), connection)
            if len(found) == len(pids):
                yield found
                return
    raise LookupError(f"only {sorted(found)} of the workers {pids} accepted connections")


def _open_files(pid: int) -> set[str]:
    links = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.add(str(path.readlink()))
        except FileNotFoundError:  # closed meanwhile
            continue
    return links
