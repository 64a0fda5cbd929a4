"""Reading a request's body within a limit, or discarding it."""

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from werkzeug.wsgi import get_input_stream

from api.callers import presented_token
from api.codings import coding_of, decoded
from api.receiving import (
    ARRIVAL,
    LEAST_BYTES_PER_SECOND,
    PATIENCE_SECONDS,
    Arrival,
    Bodies,
    Environ,
    without_place,
)
from registry.errors import (
    BodyMalformed,
    BodyTooSlow,
    BodyUnfinished,
    LengthRequired,
    TooLarge,
)

MAX_JSON_BODY = 2**20
MAX_DRAINERS = 4
"""Threads that may wait for bodies that are discarded; a caller needs no token to send one."""
DRAINED_AT_MOST = 64 * 2**10
_PIECE = 2**18
_LEFT = "hotswap.body_left"
"""How many bytes of a request's body are unread; ``_NEVER``: the rest cannot be read."""
_NEVER = -1

_SILENT_SERVER = "Granian"
"""The server that does not report whether a chunked body was cut short."""

Decode = Callable[[str, Iterable[bytes]], Iterator[bytes]]
"""Decodes the pieces of a body that has this coding."""

bodies = Bodies()
_drainers = threading.Semaphore(MAX_DRAINERS)


def read_body(
    environ: Environ,
    limit: int,
    setting: str | None = None,
    *,
    anonymous: bool = False,
    decode: Decode = decoded,
) -> bytes:
    """The whole body of the WSGI request ``environ``, decoded if it has a content coding.

    ``limit`` applies to the decoded body; ``setting`` is the setting that raises it;
    ``anonymous``: the caller is identified by the address only; ``decode`` decodes the body.

    Raises TooLarge, BodyMalformed if it is incomplete or does not match its coding, BodyTooSlow,
    BodyUnfinished, CodingUnsupported, LengthRequired and Overloaded.
    """
    length = environ.get("CONTENT_LENGTH")
    if (
        length
        and length.isdecimal()
        and (size := int(length)) <= limit
        and ARRIVAL not in environ
        and "HTTP_CONTENT_ENCODING" not in environ
    ):
        body: bytes = environ["wsgi.input"].read(size)
        environ[_LEFT] = 0 if len(body) == size else _NEVER
        if len(body) < size:
            raise _broken_off(environ, len(body))
        return body
    pieces = _pieces(environ, limit, setting, anonymous=anonymous, decode=decode)
    first = next(pieces, b"")
    if (second := next(pieces, None)) is None:
        return first
    # Not a list of pieces, nor a bytearray, to join or copy which takes the interpreter's lock for
    # milliseconds: ``getvalue`` copies nothing. And from a megabyte on this one block is returned
    # to the system once it is free, also where the body is refused half-way
    # (``map_large_blocks``).
    received = io.BytesIO()
    received.write(first)
    received.write(second)
    del first, second  # or they would be in memory twice, and counted once
    for piece in pieces:
        received.write(piece)
    return received.getvalue()


def receive_body(
    environ: Environ, sink: Callable[[bytes], object], limit: int, setting: str
) -> None:
    """Pass the body of the WSGI request ``environ`` to ``sink`` while it arrives.

    Raises what ``read_body`` and ``sink`` raise.
    """
    for piece in _pieces(environ, limit, setting, kept=False):
        sink(piece)


class BodyStream(io.RawIOBase):
    """The body of the WSGI request ``environ`` as a file.

    Reading raises what ``read_body`` raises.
    """

    def __init__(self, environ: Environ, limit: int, setting: str) -> None:
        super().__init__()
        self._pieces = _pieces(environ, limit, setting, kept=False)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._pieces, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def drain(environ: Environ) -> bool:
    """Read the unread rest of the body so that the connection can be reused; False: it cannot.

    A server closes a connection whose body has not been read, and a caller that is still sending
    would lose the response. Long bodies, slow ones beyond ``MAX_DRAINERS``, and those announced
    with ``Expect: 100-continue`` (RFC 9110, 10.1.1) are not waited for.
    """
    if (left := environ.get(_LEFT)) is None:
        length = environ.get("CONTENT_LENGTH") or "0"
        if length == "0":
            return "HTTP_TRANSFER_ENCODING" not in environ
        expects_continue = "HTTP_EXPECT" in environ and ARRIVAL in environ
        left = int(length) if length.isdecimal() and not expects_continue else _NEVER
    if left == 0:
        return True
    if not 0 < left <= DRAINED_AT_MOST or not _drainers.acquire(blocking=False):
        return False
    _begin_wait(environ)
    try:
        with without_place(environ):
            body: bytes = environ["wsgi.input"].read(left)
    except OSError:
        return False  # the caller disconnected
    finally:
        _drainers.release()
    environ[_LEFT] = 0 if len(body) == left else _NEVER
    return len(body) == left


def _pieces(
    environ: Environ,
    limit: int,
    setting: str | None,
    *,
    anonymous: bool = False,
    kept: bool = True,
    decode: Decode = decoded,
) -> Iterator[bytes]:
    """The decoded body in pieces; ``kept``: the caller keeps all of them in memory."""
    coding = coding_of(environ.get("HTTP_CONTENT_ENCODING"))
    too_large = TooLarge("The body", f"{limit} bytes", setting)
    # Incompressible data is slightly longer when encoded.
    most = limit if coding is None else limit + limit // 2**8 + 2**10
    length = environ.get("CONTENT_LENGTH")
    known = int(length) if length and length.isdecimal() else None
    if known is not None and known > most:
        raise too_large
    read, size = _reader(environ, known), 0
    environ[_LEFT] = _NEVER  # until it is read, in case Overloaded is raised
    with bodies.arriving(_caller(environ, anonymous=anonymous)) as body:
        body.hold(_PIECE if known is None else min(_PIECE, known))  # what is being received
        received = _received(environ, read, known, most, too_large)
        for piece in received if coding is None else decode(coding, received):
            size += len(piece)
            if size > limit:
                raise too_large
            if kept:
                body.hold(len(piece))
            yield piece


def _received(
    environ: Environ, read: Callable[[int], bytes], known: int | None, most: int, excess: TooLarge
) -> Iterator[bytes]:
    """The undecoded body in pieces. Raises ``excess`` if it is longer than ``most``."""
    received = 0
    _begin_wait(environ)
    while known is None or received < known:
        environ[_LEFT] = _NEVER  # in case it is incomplete or too long
        try:
            with without_place(environ):
                piece = read(min(_PIECE, (most + 1 if known is None else known) - received))
        except OSError as error:  # how servers other than granian report it
            raise _broken_off(environ, received) from error
        if not piece:
            break
        received += len(piece)
        if received > most:
            raise excess
        if known is not None:
            environ[_LEFT] = known - received
        yield piece
    if received != known if known is not None else not _has_ended(environ, received):
        raise _broken_off(environ, received)
    environ[_LEFT] = 0


def _reader(environ: Environ, known: int | None) -> Callable[[int], bytes]:
    """A function that reads the body; it returns fewer bytes than requested only at the end."""
    if known is None and ARRIVAL not in environ:
        if environ.get("SERVER_SOFTWARE") == _SILENT_SERVER and "HTTP_TRANSFER_ENCODING" in environ:
            raise LengthRequired
        return get_input_stream(dict(environ)).read
    read: Callable[[int], bytes] = environ["wsgi.input"].read
    return read


def _begin_wait(environ: Environ) -> None:
    if ARRIVAL in environ:
        environ[ARRIVAL].begin_wait()


def _has_ended(environ: Environ, received: int) -> bool:
    """Whether a chunked body that ended after ``received`` bytes is complete."""
    return ARRIVAL not in environ or environ[ARRIVAL].arrival(received) is Arrival.WHOLE


def _broken_off(environ: Environ, received: int) -> BodyMalformed | BodyTooSlow | BodyUnfinished:
    arrival = environ[ARRIVAL].arrival(received) if ARRIVAL in environ else Arrival.BROKEN
    if arrival is Arrival.SLOW:
        return BodyTooSlow(LEAST_BYTES_PER_SECOND, PATIENCE_SECONDS)
    if arrival is Arrival.STOPPED:
        return BodyUnfinished()
    return BodyMalformed(f"The body is incomplete: it cannot be read beyond {received} bytes.")


def _caller(environ: Environ, *, anonymous: bool) -> str:
    header = None if anonymous else environ.get("HTTP_AUTHORIZATION")
    return presented_token(header) if header else environ.get("REMOTE_ADDR", "")
