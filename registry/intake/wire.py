"""How the server and the intake process talk: messages of bytes, each after its length."""

import socket
import struct

MAX_ANSWER = 64 * 2**20
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
