"""Messages between the service and its confined processes: bytes, each after its length.

The service does not trust them: it never reads more than a limit, nor beyond a deadline.
"""

import os
import socket
import struct
import time
from collections.abc import Iterator
from typing import BinaryIO

_LENGTH = struct.Struct("!I")
_CHUNK = 2**20
_TRUNCATED = "a message is truncated"


class MessageRefused(Exception):
    """A message that is longer than the limit, or truncated."""


class Channel:
    """The confined side: blocking reads and writes on an open socket or pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def receive(self) -> bytes | None:
        """The next message; None at the end of the stream. Raises MessageRefused."""
        head = self._read(_LENGTH.size)
        if not head:
            return None
        (length,) = _LENGTH.unpack(head)
        message = self._read(length)
        if len(message) < length:
            raise MessageRefused(_TRUNCATED)
        return message

    def send(self, *messages: bytes) -> None:
        """Raises OSError where the other side is closed."""
        for message in messages:
            for part in (_LENGTH.pack(len(message)), message):
                rest = memoryview(part)
                while rest:
                    rest = rest[os.write(self._descriptor, rest[:_CHUNK]) :]

    def _read(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = os.read(self._descriptor, min(count - len(parts), _CHUNK))
            if not part:
                if parts:
                    raise MessageRefused(_TRUNCATED)
                return b""
            parts += part
        return bytes(parts)


class Deadline:
    """A moment of the monotonic clock, ``seconds`` from now."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then. Raises TimeoutError once it has passed."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


def send(connection: socket.socket, deadline: Deadline, *messages: bytes) -> None:
    """Raises TimeoutError, or OSError where the other side is closed."""
    for message in messages:
        for part in (_LENGTH.pack(len(message)), message):
            connection.settimeout(deadline.left)
            connection.sendall(part)


def receive(connection: socket.socket, limit: int, deadline: Deadline) -> bytearray | None:
    """The next message; None where the other side has ended the stream.

    Raises MessageRefused where it is longer than ``limit`` or truncated, TimeoutError, and OSError
    where the connection fails.
    """
    parts = _receive_parts(connection, limit, deadline)
    if parts is None:
        return None
    # It grows as bytes arrive: the announced length alone reserves no memory.
    message = bytearray()
    for part in parts:
        message += part
    return message


def receive_into(
    connection: socket.socket, file: BinaryIO, limit: int, deadline: Deadline
) -> int | None:
    """Write the next message to ``file``, a megabyte at a time, and return its length.

    Returns None and raises as ``receive`` does, and raises what writing to ``file`` raises.
    """
    parts = _receive_parts(connection, limit, deadline)
    return None if parts is None else sum(file.write(part) for part in parts)


def _receive_parts(
    connection: socket.socket, limit: int, deadline: Deadline
) -> Iterator[bytes] | None:
    """The parts of the next message; None at the end of the stream."""
    head = b"".join(_parts(connection, _LENGTH.size, deadline))
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise MessageRefused(_TRUNCATED)
    (length,) = _LENGTH.unpack(head)
    if length > limit:
        raise MessageRefused(f"a message of {length} bytes; at most {limit} are allowed")
    return _whole(_parts(connection, length, deadline), length)


def _whole(parts: Iterator[bytes], length: int) -> Iterator[bytes]:
    """The same parts. Raises MessageRefused at the end if they are shorter than ``length``."""
    for part in parts:
        length -= len(part)
        yield part
    if length:
        raise MessageRefused(_TRUNCATED)


def _parts(connection: socket.socket, count: int, deadline: Deadline) -> Iterator[bytes]:
    """``count`` bytes as they arrive, or those before the end of the stream."""
    while count:
        connection.settimeout(deadline.left)
        part = connection.recv(min(count, _CHUNK))
        if not part:
            return
        count -= len(part)
        yield part
