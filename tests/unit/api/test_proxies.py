"""Requests that came through proxies, as the application sees them."""

from typing import Any

import pytest

from api.hosts import Hosts
from api.proxies import TrustedProxies
from config import Settings, parse_proxies

PEER = "10.0.0.1"


def seen(trusted: str, *, peer: str = PEER, local: bool = False, **fields: str) -> dict[str, Any]:
    """The environment behind ``TrustedProxies``; ``for_="a"`` is X-Forwarded-For: a."""
    environ: dict[str, Any] = {
        "REMOTE_ADDR": peer,
        "HTTP_HOST": fields.pop("received_host", "internal:8000"),
        "wsgi.url_scheme": "http",
        "SCRIPT_NAME": "",
        **{f"HTTP_X_FORWARDED_{name.strip('_').upper()}": text for name, text in fields.items()},
    }
    received = []

    def inner(environ, start_response):
        received.append(environ)
        return []

    hosts = Hosts.of(Settings()) if local else Hosts(None)
    TrustedProxies(inner, parse_proxies(trusted), hosts)(environ, lambda *_: None)
    return received[0]


def client(trusted: str, forwarded: str, peer: str = PEER) -> str:
    return str(seen(trusted, peer=peer, for_=forwarded)["REMOTE_ADDR"])


def test_one_proxy_reports_client_and_url():
    environ = seen("1", for_="192.0.2.7", proto="https", host="models.example", prefix="/ml")

    assert environ["REMOTE_ADDR"] == "192.0.2.7"
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["HTTP_HOST"] == "models.example"
    assert environ["SCRIPT_NAME"] == "/ml"


def test_a_peer_outside_of_the_networks_is_not_trusted():
    forwarded = {"for_": "192.0.2.7", "proto": "https", "host": "a.example", "prefix": "/ml"}

    environ = seen("10.0.0.0/8, unix", peer="192.0.2.1", **forwarded)

    assert environ["REMOTE_ADDR"] == "192.0.2.1"
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["HTTP_HOST"] == "internal:8000"
    assert environ["SCRIPT_NAME"] == ""


@pytest.mark.parametrize("trusted", ["1", "10.0.0.0/8", PEER])
def test_fields_of_a_client_are_not_trusted(trusted):
    """The proxy adds the address that it sees to what the client sent."""
    environ = seen(trusted, for_="198.51.100.1, 10.9.9.9, 192.0.2.7", proto="http, https")

    assert environ["REMOTE_ADDR"] == "192.0.2.7"
    assert environ["wsgi.url_scheme"] == "https"


@pytest.mark.parametrize("trusted", ["2", "10.0.0.0/8,2001:db8::/32"])
@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("192.0.2.7, 2001:db8::1", "192.0.2.7"),
        ("10.0.0.2", "10.0.0.2"),
    ],
)
def test_a_chain_of_trusted_proxies_is_followed_to_its_end(trusted, forwarded, expected):
    assert client(trusted, forwarded) == expected


def test_a_chain_ends_at_the_first_untrusted_address():
    assert client("10.0.0.0/8", "10.0.0.9, 192.0.2.7, 10.0.0.2") == "192.0.2.7"
    assert client("10.0.0.0/8", "10.0.0.9, unknown, 10.0.0.2") == PEER


@pytest.mark.parametrize("trusted", ["2", "10.0.0.0/8"])
def test_a_field_that_only_one_of_two_proxies_sets_counts(trusted):
    environ = seen(trusted, for_="192.0.2.7, 10.0.0.2", proto="https", prefix="/a, /b, /c")

    assert environ["wsgi.url_scheme"] == "https"
    assert environ["SCRIPT_NAME"] == "/b"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("192.0.2.7:4711", "192.0.2.7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("  192.0.2.7 ", "192.0.2.7"),
    ],
)
def test_addresses_are_normalised(written, expected):
    assert client("1", written) == expected


@pytest.mark.parametrize(
    "written",
    [
        *("", ",", "unknown", "_hidden", "192.0.2", "192.0.2.7:", "[192.0.2.7", "192.0.2.7]"),
        *("192.0.2.7:80:80", "192.0.2.007", "fe80::1%eth0", "a" * 100, "192.0.2.7\x00", "\xff"),
        *("192.0.2.7, ", '"192.0.2.7"', "for=192.0.2.7", "http://192.0.2.7", "٣.٣.٣.٣"),
    ],
)
@pytest.mark.parametrize("trusted", ["1", "10.0.0.0/8"])
def test_a_malformed_address_is_ignored(trusted, written):
    assert client(trusted, written) == PEER


@pytest.mark.parametrize("trusted", ["1", "10.0.0.0/8"])
def test_a_quote_in_the_field_cannot_hide_a_client_address(trusted):
    """A parser of quoted strings finds no address in this, or the whole text."""
    assert client(trusted, '"198.51.100.1, 192.0.2.7') == "192.0.2.7"


@pytest.mark.parametrize("peer", ["", "/run/nginx/client.sock"])
@pytest.mark.parametrize(
    ("trusted", "expected"),
    [("1", "192.0.2.7"), ("unix", "192.0.2.7"), ("unix, 10.0.0.0/8", "192.0.2.7")],
)
def test_a_proxy_on_a_unix_socket_is_trusted_by_name_or_count(trusted, expected, peer):
    assert client(trusted, "192.0.2.7", peer) == expected
    assert client("10.0.0.0/8", "192.0.2.7", peer) == peer


def test_an_ipv4_mapped_proxy_address_is_the_same_proxy():
    assert client("10.0.0.0/8", "192.0.2.7", "::ffff:10.0.0.1") == "192.0.2.7"


@pytest.mark.parametrize("proto", ["", "javascript", "https://", "ws", "https\n"])
def test_a_scheme_is_http_or_https(proto):
    expected = "https" if proto.strip() == "https" else "http"
    assert seen("1", proto=proto)["wsgi.url_scheme"] == expected
    assert seen("1", proto="HTTPS")["wsgi.url_scheme"] == "https"


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("/ml", "/ml"),
        ("/ml/", "/ml"),
        ("/team/ml.v2", "/team/ml.v2"),
        ("/", ""),
        ("ml", ""),
        ("//evil.example", ""),
        ("/../admin", ""),
        ("/a/./b", ""),
        ('/"><script>', ""),
        ("/a\r\nX: y", ""),
        ("/%2e%2e", ""),
        ("https://evil.example", ""),
    ],
)
def test_a_prefix_is_a_plain_path(prefix, expected):
    assert seen("1", prefix=prefix)["SCRIPT_NAME"] == expected


def test_a_forwarded_host_is_used_only_if_the_host_itself_is_allowed():
    """Otherwise a web page with a host name of its own would only have to send the field."""
    forged = seen("1", local=True, received_host="evil.example", host="localhost")
    proxied = seen("1", local=True, received_host="127.0.0.1:8000", host="localhost")

    assert forged["HTTP_HOST"] == "evil.example"
    assert proxied["HTTP_HOST"] == "localhost"
