"""The X-Forwarded fields of trusted proxies, in front of the fast path and of Flask.

docs/decisions/0038-forwarded-fields.md says how they are read, and why not by werkzeug's ProxyFix.
"""

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Flask

from api.hosts import Hosts
from config import URL_PREFIX, Proxies, Settings, parse_proxies

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SCHEMES = frozenset({"http", "https"})
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?|([^:]*):[0-9]{1,5}")
"""An IPv6 address in brackets, or an IPv4 address with a port."""
_LONGEST_ADDRESS = 64


class TrustedProxies:
    """A WSGI application in front of ``inner`` that passes it each request as the client sent it.

    ``REMOTE_ADDR``, ``wsgi.url_scheme``, ``HTTP_HOST`` and ``SCRIPT_NAME`` become what the
    outermost trusted proxy reported. A malformed value is ignored, except for that of a host, which
    ``hosts`` refuses.
    """

    def __init__(self, inner: "WSGIApplication", trusted: Proxies, hosts: Hosts) -> None:
        self.inner = inner
        self._hosts = hosts
        self._count = trusted if isinstance(trusted, int) else None
        named = () if isinstance(trusted, int) else trusted
        self._networks = [network for network in named if network != "unix"]
        self._trusts_unix = "unix" in named
        self._trusts = lru_cache(maxsize=1024)(self._is_in_networks)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if passed := self._count_passed(environ):
            if client := _address(_outermost(environ, "HTTP_X_FORWARDED_FOR", passed)):
                environ["REMOTE_ADDR"] = str(client)
            scheme = _outermost(environ, "HTTP_X_FORWARDED_PROTO", passed).lower()
            if scheme in _SCHEMES:
                environ["wsgi.url_scheme"] = scheme
            prefix = _outermost(environ, "HTTP_X_FORWARDED_PREFIX", passed)
            if prefix and URL_PREFIX.fullmatch(prefix.rstrip("/")):
                environ["SCRIPT_NAME"] = prefix.rstrip("/")
            host = _outermost(environ, "HTTP_X_FORWARDED_HOST", passed)
            # A web page on this machine can send any X-Forwarded-Host, but no Host of its choice.
            if host and self._hosts.knows(environ):
                environ["HTTP_HOST"] = host
        return self.inner(environ, start_response)

    def _count_passed(self, environ: "WSGIEnvironment") -> int:
        """How many trusted proxies the request passed, one after the other up to this service."""
        if self._count is not None:
            return self._count
        peer: str = environ.get("REMOTE_ADDR", "")
        # On a unix socket it is empty, or the path that the client bound.
        trusted = self._trusts_unix if _address(peer) is None else self._trusts(peer)
        if not trusted:
            return 0
        passed = 1
        for reported in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
            if not self._trusts(reported):
                break
            passed += 1
        return passed

    def _is_in_networks(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def trust_proxies(app: Flask, settings: Settings, hosts: Hosts) -> None:
    """Use the X-Forwarded fields of the proxies that ``settings`` names, if it names any."""
    if trusted := parse_proxies(settings.trusted_proxies):
        app.wsgi_app = TrustedProxies(app.wsgi_app, trusted, hosts)  # type: ignore[method-assign]  # the way that Flask documents


def _outermost(environ: "WSGIEnvironment", variable: str, passed: int) -> str:
    """The first of the values that the last ``passed`` proxies added to a field; empty if none."""
    values = environ.get(variable, "").rsplit(",", passed)[-passed:]
    return str(values[0]).strip()


@lru_cache(maxsize=4096)
def _address(text: str) -> Address | None:
    """The address in ``text``, which may have a port; None for any other text."""
    text = text.strip()
    if len(text) > _LONGEST_ADDRESS or "%" in text:
        return None
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
