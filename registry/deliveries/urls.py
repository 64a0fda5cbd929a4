"""The URL of a webhook.

Parsers differ in how they read unusual URLs, and an address that is checked as one host and reached
as another is not checked. So only URLs are accepted that can be read in one way.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

from registry.errors import AddressRefused

LONGEST_URL = 2000
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?)"
    r"(?P<query>(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?)"
)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook sends: ``host`` is a name in lower case, or an address without brackets.

    ``path`` includes the query, either of which may be a secret of the receiver; ``origin`` is what
    may be shown to everybody.
    """

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str
    address: IpAddress | None

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host_header}"

    @property
    def host_header(self) -> str:
        """The value of the Host header: without the port if it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _default_port(self.scheme) else f"{host}:{self.port}"


def parse_url(text: str) -> Target:
    """Read the URL of a webhook.

    Raises AddressRefused.
    """
    if len(text) > LONGEST_URL:
        raise AddressRefused(f"expected at most {LONGEST_URL} characters")
    found = _URL.fullmatch(text)
    if found is None:
        raise AddressRefused(_fault(text))
    host, address = _read_host(found["host"])
    scheme: Literal["http", "https"] = "https" if found["scheme"] == "https" else "http"
    port = _default_port(scheme) if found["port"] is None else int(found["port"])
    if not 0 < port < 2**16:
        raise AddressRefused(f"{port} is not the number of a port")
    return Target(scheme, host, port, (found["path"] or "/") + found["query"], address)


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _fault(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        return "expected a URL that begins with https://"
    if "@" in re.split(r"[/?#]", rest, maxsplit=1)[0]:
        return "a URL must not contain a user name or a password"
    if "#" in rest:
        return "a URL must not contain a fragment"
    return (
        "expected https://HOST[:PORT][/PATH][?QUERY] in lower-case scheme and ASCII; write other"
        " characters as %XX, and names of other scripts as xn--"
    )


def _read_host(text: str) -> tuple[str, IpAddress | None]:
    """The host, and its address where it is one.

    Forms such as 127.1, 0x7f000001 or 2130706433, which the system's resolver takes for an address,
    are refused: what ends in a number has to be an address of four decimal numbers.
    """
    try:
        if text.startswith("["):
            six = ipaddress.IPv6Address(text[1:-1])
            return str(six), six
        if _NUMBER.fullmatch(text.rsplit(".", 1)[-1]):
            four = ipaddress.IPv4Address(text)
            return str(four), four
    except ValueError:
        raise AddressRefused("the host is not a well-formed IP address") from None
    if len(text) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, text.split("."))):
        raise AddressRefused("the host is not a well-formed name")
    return text.lower(), None
