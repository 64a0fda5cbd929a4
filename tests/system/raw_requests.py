"""Requests as bytes, for what no client library would send."""

import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_LENGTH = re.compile(rb"\ncontent-length: *(\d+)")


@dataclass(frozen=True)
class Answers:
    """What came back on one connection."""

    received: bytes
    closed: bool

    @property
    def statuses(self) -> list[int]:
        """Of each answer, in order."""
        return [int(status) for status in _STATUS.findall(self.received)]

    @property
    def head(self) -> bytes:
        """The first answer's head, its names in lower case."""
        return self.received.partition(b"\r\n\r\n")[0].lower()


QUIET_SECONDS = 1.0
"""After so long without another byte an answer is taken to be complete."""


def exchange(url: str, sent: bytes, patience: float = 20.0) -> Answers:
    """Send these bytes on a new connection; read until it is closed or nothing more comes.

    ``patience``: how many seconds to wait for the first byte.
    """
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as client:
        client.settimeout(patience)
        received, closed = b"", False
        try:
            client.sendall(sent)
            while not closed:
                chunk = client.recv(65536)
                closed = not chunk
                received += chunk
                client.settimeout(QUIET_SECONDS)
        except TimeoutError:
            pass
        except ConnectionError:
            closed = True
        return Answers(received, closed)


class Wire:
    """One connection for many consecutive requests, reopened if it was closed."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)
        self._open()

    def ask(self, sent: bytes) -> tuple[int, bytes]:
        """Send a request with a body of known length; the status and the body of its answer."""
        self._socket.sendall(sent)
        head = b""
        for line in self._reader:
            head += line
            if line == b"\r\n":
                break
        found = _LENGTH.search(head.lower())
        body = self._reader.read(int(found[1]) if found else 0)
        if not head or b"connection: close" in head.lower():
            self.close()
            self._open()
        return int(head.split(b" ", 2)[1]), body

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def _open(self) -> None:
        self._socket = socket.create_connection((self._address.hostname, self._address.port))
        self._socket.settimeout(60)
        self._reader = self._socket.makefile("rb")
