"""Reading a request's whole body, within a limit, or getting rid of it."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from registry.errors import BodyMalformed, Overloaded, TooLarge

MAX_JSON_BODY = 2**20
MAX_READERS = 24
"""Threads of a process that may wait for bodies at the same time; the others stay free."""
MAX_DRAINERS = 4
"""Threads that may wait for bodies which nobody will look at; a caller needs no token for that."""
DRAINED_AT_MOST = 64 * 2**10
_PATIENCE = 1.0
_CHUNK = 2**16
_SETTLED = "hotswap.body_settled"

Environ = dict[str, Any]


class Readers:
    """Lets ``most`` threads wait for bodies at once, so that slow callers cannot take them all."""

    def __init__(self, most: int) -> None:
        self._places: SimpleQueue[None] = SimpleQueue()
        self._stuck = False
        for _ in range(most):
            self._places.put(None)

    def __enter__(self) -> None:
        """Read a body in this block. Raises Overloaded.

        Bodies that are there already are read in no time, so a place is soon free however busy
        the server is. When none was for a whole second, all readers wait for slow callers; until
        one is done, nobody else spends a thread on waiting for it.
        """
        try:
            self._places.get_nowait()
        except Empty:
            self._wait()

    def __exit__(self, *_: object) -> None:
        self._stuck = False
        self._places.put(None)

    def _wait(self) -> None:
        try:
            if self._stuck:
                raise Overloaded
            self._places.get(timeout=_PATIENCE)
        except Empty:
            self._stuck = True
            raise Overloaded from None


readers = Readers(MAX_READERS)
_drainers = threading.Semaphore(MAX_DRAINERS)


def read_body(environ: Environ, limit: int, setting: str | None = None) -> bytes:
    """The body of the WSGI request ``environ``; ``setting`` is what an operator would raise.

    Raises TooLarge, BodyMalformed where it breaks off, and Overloaded.
    """
    length = environ.get("CONTENT_LENGTH")
    if length and length.isdecimal():
        if int(length) > limit:
            raise TooLarge("The body", f"{limit} bytes", setting)
        with readers:
            body: bytes = environ["wsgi.input"].read(int(length))
        environ[_SETTLED] = True
        if len(body) < int(length):
            raise BodyMalformed(f"The body breaks off after {len(body)} of {length} bytes.")
        return body
    try:
        # werkzeug ends a chunked body at its limit without a word, so that the rest would be
        # missing and nobody would know. One byte more tells.
        with readers:
            body = get_input_stream(dict(environ), max_content_length=limit + 1).read()
    except RequestEntityTooLarge as error:
        raise TooLarge("The body", f"{limit} bytes", setting) from error
    if len(body) > limit:
        raise TooLarge("The body", f"{limit} bytes", setting)
    settle(environ)
    return body


def receive_body(
    environ: Environ, sink: Callable[[bytes], object], limit: int, setting: str
) -> None:
    """Hand the body of the WSGI request ``environ`` to ``sink`` while it arrives.

    Raises TooLarge, BodyMalformed where it breaks off, Overloaded, and what ``sink`` raises.
    """
    length = environ.get("CONTENT_LENGTH")
    known = int(length) if length and length.isdecimal() else None
    if known is not None and known > limit:
        raise TooLarge("The body", f"{limit} bytes", setting)
    stream = get_input_stream(dict(environ), max_content_length=limit + 1)
    received = 0
    try:
        with readers:
            while chunk := stream.read(_CHUNK):
                received += len(chunk)
                if received > limit:
                    raise TooLarge("The body", f"{limit} bytes", setting)
                sink(chunk)
    except RequestEntityTooLarge as error:
        raise TooLarge("The body", f"{limit} bytes", setting) from error
    except ClientDisconnected as error:
        raise BodyMalformed(f"The body breaks off after {received} bytes.") from error
    if known is not None and received < known:
        raise BodyMalformed(f"The body breaks off after {received} of {known} bytes.")
    settle(environ)


def settle(environ: Environ) -> None:
    """Note that the whole body of the request was read."""
    environ[_SETTLED] = True


def drain(environ: Environ) -> bool:
    """Read what nobody looked at, so that the connection can be used again; False: it cannot.

    A server closes a connection on which a body is still to come, and a caller who is sending it
    would lose the answer. Long bodies, and those of callers who take their time while others do
    too, are not waited for.
    """
    if _SETTLED in environ:
        return True
    length = environ.get("CONTENT_LENGTH") or "0"
    if length == "0" and "HTTP_TRANSFER_ENCODING" not in environ:
        return True
    if not length.isdecimal() or not 0 < int(length) <= DRAINED_AT_MOST:
        return False
    if not _drainers.acquire(blocking=False):
        return False
    try:
        environ["wsgi.input"].read(int(length))
    except OSError:
        return False  # the caller is gone
    finally:
        _drainers.release()
    settle(environ)
    return True
