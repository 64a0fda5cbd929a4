"""Authentication of callers, with a limit on requests and on failed attempts.

A valid token is accepted whatever failures are counted for its address, so the failures of one
caller lock nobody out. Guessing a token of 256 random bits is infeasible at any rate; the limit
reduces the load and the log lines of failures.
"""

import ipaddress
import logging
import math
import zlib
from base64 import b64decode
from collections.abc import Callable
from typing import Any, cast

from flask import Flask, current_app

from api.rates import Rates
from api.services import Services
from registry.errors import RateLimited, TooManyFailures, Unauthenticated, Unavailable
from registry.live.snapshot import KnownToken
from registry.tokens import Grant

logger = logging.getLogger(__name__)

_KEY = "hotswap-callers"
_USUAL_START = "Bearer "

FindToken = Callable[[str], KnownToken]
"""Looks a token up, also an expired one; raises Unauthenticated."""


class Callers:
    """Recognises callers by the Authorization header of a WSGI request.

    ``find`` looks a token up; None for ``failures`` or ``requests``: no limit. ``count_failed`` is
    called with the reason of each failure: ``missing``, ``invalid`` or ``slowed``.
    """

    def __init__(
        self,
        find: FindToken,
        failures: Rates | None,
        requests: Rates | None,
        count_failed: Callable[[str], None],
        requests_per_second: int = 0,
    ) -> None:
        self._find = find
        self._failures = failures
        self._requests = requests
        self._count_failed = count_failed
        self._requests_per_second = requests_per_second

    @property
    def have_rates(self) -> bool:
        """Whether each request of a token must be counted."""
        return self._requests is not None

    def admit(self, environ: dict[str, Any]) -> KnownToken:
        """The caller's token, which is valid; counts this request against its rate.

        Raises Unauthenticated, TooManyFailures, RateLimited.
        """
        known = self.recognise(environ)
        self.count(known.grant)
        return known

    def count(self, grant: Grant) -> None:
        """Count a request against the rate of its token. Raises RateLimited."""
        if self._requests is not None and (wait := self._requests.take(grant.token_id)):
            raise RateLimited(self._requests_per_second, math.ceil(wait))

    def recognise(self, environ: dict[str, Any]) -> KnownToken:
        """The caller's token, which is valid. Raises Unauthenticated, TooManyFailures."""
        header = environ.get("HTTP_AUTHORIZATION")
        if not header:
            self._count_failed("missing")
            raise Unauthenticated.missing()
        try:
            token = presented_token(header)
        except Unauthenticated:
            self._note_failure(environ.get("REMOTE_ADDR", ""))
            raise
        return self.check_token(token, environ)

    def check_token(self, token: str, environ: dict[str, Any]) -> KnownToken:
        """The entry of ``token``, which is valid. Raises Unauthenticated, TooManyFailures."""
        try:
            known = self._find(token)
            known.valid_grant()
        except Unauthenticated:
            self._note_failure(environ.get("REMOTE_ADDR", ""))
            raise
        return known

    def name_of(self, environ: dict[str, Any]) -> str | None:
        """The name of the caller's token; None without a valid one. Counts nothing."""
        header = environ.get("HTTP_AUTHORIZATION")
        if not header:
            return None
        try:
            return self._find(presented_token(header)).valid_grant().name
        except (Unauthenticated, Unavailable):
            return None

    def _note_failure(self, address: str) -> None:
        """Raises TooManyFailures."""
        wait = 0.0 if self._failures is None else self._failures.take(_slot(address))
        if wait:
            self._count_failed("slowed")
            raise TooManyFailures(math.ceil(wait))
        self._count_failed("invalid")
        # At most as many lines as the limit allows, so failures cannot fill the log.
        logger.warning("authentication failed", extra={"client": address})


def recognise_callers(
    app: Flask, services: Services, count_failed: Callable[[str], None]
) -> Callers:
    """Create the ``Callers`` of ``app``."""
    made = Callers(
        services.watch.known_token,
        services.failures,
        services.requests,
        count_failed,
        services.settings.rate_limit,
    )
    app.extensions[_KEY] = made
    return made


def callers() -> Callers:
    """The ``Callers`` of the current application."""
    return cast("Callers", current_app.extensions[_KEY])


def presented_token(header: str | None) -> str:
    """The token in an Authorization header: after ``Bearer``, or the password of ``Basic``, for
    clients that can send nothing else. The user name is ignored.

    Raises Unauthenticated if there is none.
    """
    scheme, _, credentials = (header or "").partition(" ")
    token = ""
    if scheme.lower() == "bearer":
        token = credentials.strip()
    elif scheme.lower() == "basic":
        token = _password(credentials.strip())
    if not token:
        raise Unauthenticated.missing()
    return token


def _password(credentials: str) -> str:
    """The password in the credentials of Basic authentication (RFC 7617, 2); empty if malformed.

    The user name may have any encoding: many clients send ISO 8859-1.
    """
    try:
        return b64decode(credentials, validate=True).partition(b":")[2].decode()
    except ValueError:
        return ""


def has_usual_spelling(header: str) -> bool:
    """Whether a header that ``presented_token`` accepts is the usual spelling of its token.

    The scheme's name is case-insensitive, any space may surround the token (RFC 9110, 11.1 and
    11.6.2), and Basic has a user name, so one token has many spellings. Only the usual one may be a
    key of a cache.
    """
    return header == _USUAL_START + presented_token(header)


def _slot(address: str) -> int:
    """The bucket of an address; for IPv6 of its /64, all of which usually belongs to one caller.

    Addresses that share a bucket are answered with 429 instead of 401 a little earlier.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return zlib.crc32(address.encode())
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    return zlib.crc32(parsed.packed if parsed.version == 4 else parsed.packed[:8])
