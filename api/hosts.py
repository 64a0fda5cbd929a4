"""The host names that this service accepts.

A web page can make its own host name resolve to 127.0.0.1 and then read the responses of a service
on the visitor's machine (DNS rebinding). The Host header reveals it: it carries the page's name.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, request

from config import Settings
from registry.errors import HostRefused

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
PROBES = frozenset({"/", "/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/ping"})
"""Load balancers request these by the address of the process, and they reveal nothing sensitive. A
Host header is required nevertheless (RFC 9112, 3.2)."""

_HTTP_1_0 = frozenset({"HTTP/1.0", "HTTP/1"})
"""Granian uses the second form."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?")

_ABSOLUTE = re.compile(r"https?://([^/?#]+)", re.IGNORECASE)


class Hosts:
    """The names that a Host header may have; None: any well-formed name."""

    def __init__(self, names: Iterable[str] | None) -> None:
        self.names = None if names is None else LOOPBACK_NAMES | {name.lower() for name in names}
        self._passed = ""

    @classmethod
    def of(cls, settings: Settings) -> "Hosts":
        """The configured names and that of the public URL. If no names are configured: on a
        loopback address its names and that of the public URL, else any.

        Browsers do not connect to Unix sockets, and proxies that do pass on the caller's host.
        """
        if settings.allowed_hosts:
            names = settings.allowed_hosts.split(",")
        elif settings.is_local and not settings.uds:
            names = [settings.host]
        else:
            return cls(None)
        if public := urlsplit(settings.public_url).hostname:
            names.append(public)
        return cls(_bracketed(name.strip()) for name in names)

    def knows(self, environ: dict[str, Any]) -> bool:
        """Whether the request's host is accepted. Nearly free if it is the previous request's."""
        if "RAW_URI" in environ and not _names_host(environ):
            return False
        host: str | None = environ.get("HTTP_HOST")
        if not host:
            # Only HTTP/1.0 may omit it, which no browser uses.
            return environ.get("SERVER_PROTOCOL") in _HTTP_1_0
        if host == self._passed:
            return True
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        if self.names is not None and match[1].lower().rstrip(".") not in self.names:
            return False
        self._passed = host
        return True

    def check(self, environ: dict[str, Any]) -> None:
        """Raises HostRefused."""
        if not _names_host(environ):
            raise HostRefused.of_target()
        if not self.knows(environ):
            raise HostRefused.of(environ.get("HTTP_HOST") or "")


def check_hosts(app: Flask, hosts: Hosts) -> None:
    """Refuse requests to ``app`` with another host; health probes may have any."""
    any_host = Hosts(None)

    @app.before_request
    def check_host() -> None:
        (any_host if request.path in PROBES else hosts).check(request.environ)


def _names_host(environ: dict[str, Any]) -> bool:
    """Whether the request's target is a path or has the authority of the Host header, which it
    would replace (RFC 9112, 3.2.2).

    gunicorn passes the target to the application. Under ``hotswap serve``, cli/connections.c
    compares the two.
    """
    target: str = environ.get("RAW_URI", "/")
    if target.startswith("/") or target == "*":
        return True
    absolute = _ABSOLUTE.match(target)
    host: str = environ.get("HTTP_HOST", "")
    return absolute is not None and absolute[1].lower() == host.lower()


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name and not name.startswith("[") else name
