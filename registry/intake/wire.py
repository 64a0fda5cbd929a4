"""How the server and the intake process talk: messages of bytes, each after its length.

A message may hold several parts, each again after its length; an empty part ends it.
"""

import socket
import struct
from collections.abc import Iterable

MAX_COMPILED = 256 * 2**20
"""Bytes of all compiled forms of a model. The server holds them in memory on their way to disk."""
MAX_ANSWER = MAX_COMPILED + 64 * 2**20
_LENGTH = struct.Struct("!I")


def send(connection: socket.socket, message: bytes) -> None:
    """Raises OSError where the other side is gone."""
    connection.sendall(_LENGTH.pack(len(message)) + message)


def receive(connection: socket.socket, limit: int) -> bytes | None:
    """The next message; None at the end of the stream.

    Raises OSError where it breaks off or is longer than ``limit``.
    """
    head = _exactly(connection, _LENGTH.size)
    if not head:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > limit:
        raise OSError(f"a message of {length} bytes; {limit} are allowed")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = connection.recv(min(count, 2**20))
        if not part:
            if parts:
                raise OSError("the stream broke off within a message")
            return b""
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def pack(parts: Iterable[bytes]) -> bytes:
    """``parts``, none of them empty, each after its length."""
    return b"".join(piece for part in parts for piece in (_LENGTH.pack(len(part)), part))


END = pack([b""])
"""Says that all parts were sent."""


def unpack(message: bytes) -> tuple[list[bytes], bool]:
    """The parts at the beginning of ``message`` that are whole, and whether nothing is missing."""
    parts: list[bytes] = []
    at = 0
    while at + _LENGTH.size <= len(message):
        (length,) = _LENGTH.unpack_from(message, at)
        at += _LENGTH.size
        if length == 0:
            return parts, at == len(message)
        if at + length > len(message):
            break
        parts.append(message[at : at + length])
        at += length
    return parts, False
