"""Sends a message to an address that was checked.

With ``http.client`` on a socket of our own: it reads no proxy from the environment, follows no
redirect, and makes no second lookup of the name between the check and the connection.
"""

import errno
import http.client
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from typing import Any, Literal

from registry.deliveries.addresses import Allowed, check_addresses
from registry.deliveries.deadlines import Deadline
from registry.deliveries.retries import requested_delay
from registry.deliveries.urls import Target
from registry.errors import AddressRefused

SECONDS = 10.0
"""The time for connecting, sending and the answer together."""
MOST_READ = 64 * 1024
"""Bytes of an answer's body that are read. They are not kept: a webhook must not show its owner
what a server answers."""
_MOST_ADDRESSES = 4
_USER_AGENT = "Hotswap-Webhooks/1"

Result = Literal["delivered", "gone", "failed", "refused"]
SocketAddress = tuple[Any, ...]
Lookup = Callable[[str, int], list[tuple[int, SocketAddress]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. ``refused``: no connection was made, because of the address; ``gone``:
    the receiver wants no more messages. ``status``: that of the answer, if there was one;
    ``retry_after``: the delay that the receiver requests."""

    result: Result
    seconds: float
    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None


def look_up(host: str, port: int) -> list[tuple[int, SocketAddress]]:
    """The addresses of ``host``, each with its family, by the system's resolver. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [(family, address) for family, _, _, _, address in found]


class Sender:
    """Sends messages to the addresses that are allowed; usable from several threads.

    ``context``: of TLS; by default it trusts the authorities that the system trusts.
    """

    def __init__(
        self,
        allowed: Allowed,
        *,
        lookup: Lookup = look_up,
        context: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._allowed = allowed
        self._lookup = lookup
        self._given_context = context
        self._seconds = seconds

    def send(self, target: Target, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send ``body`` by POST, once; no failure of the receiver or the network is raised."""
        began = time.monotonic()

        def outcome(result: Result, **more: Any) -> Outcome:
            return Outcome(result, time.monotonic() - began, **more)

        try:
            addresses = self._checked(target)
            answer, now = self._exchange(target, addresses, headers, body), datetime.now(UTC)
        except AddressRefused as error:
            return outcome("refused", error=error.cause)
        except (OSError, http.client.HTTPException) as error:
            return outcome("failed", error=_cause(error))
        status = answer.status
        if 200 <= status < 300:
            return outcome("delivered", status=status)
        requested = requested_delay(answer.headers.get("Retry-After"), now)
        told = "redirects are not followed" if 300 <= status < 400 else None
        result: Result = "gone" if status == 410 else "failed"
        return outcome(result, status=status, error=told, retry_after=requested)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return self._given_context or ssl.create_default_context()

    def _checked(self, target: Target) -> list[tuple[int, SocketAddress]]:
        """The addresses to connect to. They are looked up here only, and all are checked."""
        found = self._lookup(target.host, target.port)
        check_addresses(target, [ip_address(address[0]) for _, address in found], self._allowed)
        return found[:_MOST_ADDRESSES]

    def _exchange(
        self,
        target: Target,
        addresses: list[tuple[int, SocketAddress]],
        headers: Mapping[str, str],
        body: bytes,
    ) -> http.client.HTTPResponse:
        """The answer, whose body has been read as far as it is. Raises OSError, HTTPException."""
        with Deadline(self._seconds) as deadline, _connected(addresses, deadline) as plain:
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.auto_open = 0  # it must never look up the name and connect by itself
            connection.sock = self._secured(plain, target, deadline)
            try:
                connection.putrequest(
                    "POST", target.path, skip_host=True, skip_accept_encoding=True
                )
                for name, value in self._headers(target, headers, body):
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                deadline.check()  # it also returns a head that ends in its middle
                # The status is known: a body that is incomplete changes nothing.
                with suppress(OSError, http.client.HTTPException):
                    answer.read(MOST_READ)
                answer.close()
                return answer
            finally:
                connection.close()

    def _headers(
        self, target: Target, headers: Mapping[str, str], body: bytes
    ) -> list[tuple[str, str]]:
        return [
            ("Host", target.host_header),
            ("User-Agent", _USER_AGENT),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            *headers.items(),
        ]

    def _secured(self, plain: socket.socket, target: Target, deadline: Deadline) -> socket.socket:
        """The connection as the target's scheme has it: with https, for the target's name."""
        if target.scheme == "http":
            return plain
        secured = self._context.wrap_socket(
            plain, server_hostname=target.host, do_handshake_on_connect=False
        )
        deadline.watch(secured)
        try:
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured


_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "no answer in time"),
    (socket.gaierror, "the host's name could not be resolved"),
    (ssl.SSLCertVerificationError, "the certificate is not valid: {error.verify_message}"),
    (ssl.SSLError, "TLS failed: {error.reason}"),
    (http.client.RemoteDisconnected, "the connection was closed without an answer"),
    (OSError, "the connection failed: {error.strerror}"),
)


def _cause(error: Exception) -> str:
    """What failed, in words that contain nothing of the answer."""
    found = (text for kind, text in _CAUSES if isinstance(error, kind))
    return next(found, "the answer is not HTTP").format(error=error)


@contextmanager
def _connected(
    addresses: list[tuple[int, SocketAddress]], deadline: Deadline
) -> Iterator[socket.socket]:
    """A connection to the first of the addresses that accepts one: each is given an equal part of
    the time that remains. Raises OSError."""
    failed: OSError | None = None
    for place, (family, address) in enumerate(addresses):
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            deadline.watch(connection, len(addresses) - place)
            try:
                connection.connect(address)
            except OSError as error:
                failed = error
                continue
            deadline.watch(connection)
            yield connection
            return
    raise failed or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
