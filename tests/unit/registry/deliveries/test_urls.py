"""How the URL of a webhook is read."""

import socket
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.deliveries.urls import Target, parse_url
from registry.errors import AddressRefused


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (
            "https://hooks.example.com",
            Target("https", "hooks.example.com", 443, "/", None),
        ),
        (
            "https://Hooks.Example.COM:8443/a/b%20c?x=1&y=/?",
            Target("https", "hooks.example.com", 8443, "/a/b%20c?x=1&y=/?", None),
        ),
        ("http://10.0.0.7/", Target("http", "10.0.0.7", 80, "/", IPv4Address("10.0.0.7"))),
        ("https://[::1]:1/x", Target("https", "::1", 1, "/x", IPv6Address("::1"))),
        (
            "https://xn--bcher-kva.example/?q",
            Target("https", "xn--bcher-kva.example", 443, "/?q", None),
        ),
    ],
)
def test_a_url_is_read(url, target):
    assert parse_url(url) == target


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("", "begins with https://"),
        ("ftp://example.com/", "begins with https://"),
        ("//example.com/", "begins with https://"),
        ("file:///etc/passwd", "begins with https://"),
        ("https://user:password@example.com/", "user name or a password"),
        ("https://user@example.com/", "user name or a password"),
        ("https://example.com@127.0.0.1/", "user name or a password"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com\\@127.0.0.1/", "user name or a password"),
        ("https://example.com\\127.0.0.1/", "expected https://HOST"),
        ("HTTPS://example.com/", "expected https://HOST"),
        ("https:///path", "expected https://HOST"),
        ("https://:443/", "expected https://HOST"),
        ("https://example.com:/", "expected https://HOST"),
        ("https://example.com:٤٤٣/", "expected https://HOST"),
        ("https://example.com/\r\nX-Other: 1", "expected https://HOST"),
        ("https://example.com/\nHost: other", "expected https://HOST"),
        ("https://example.com/a b", "expected https://HOST"),
        ("https://example.com/%zz", "expected https://HOST"),
        ("https://example.com/\x00", "expected https://HOST"),
        (" https://example.com/", "begins with https://"),
        ("https://example.com/ ", "expected https://HOST"),
        ("https://example.com\t/", "expected https://HOST"),
        ("https://exämple.com/", "expected https://HOST"),
        ("https://ⓛocalhost/", "expected https://HOST"),
        ("https://%6cocalhost/", "expected https://HOST"),
        ("https://[fe80::1%25eth0]/", "expected https://HOST"),
        ("https://[::1/", "expected https://HOST"),
        ("https://[1.2.3.4]/", "IP address"),
        ("https://[::ffff:1.2.3.4.5]/", "IP address"),
        ("https://127.1/", "IP address"),
        ("https://2130706433/", "IP address"),
        ("https://0x7f000001/", "IP address"),
        ("https://0x7f.1/", "IP address"),
        ("https://0177.0.0.1/", "IP address"),
        ("https://127.0.0.01/", "IP address"),
        ("https://1.2.3.4.5/", "IP address"),
        ("https://256.1.1.1/", "IP address"),
        ("https://example.0x10/", "IP address"),
        ("https://example.com./", "well-formed name"),
        ("https://127.0.0.1./", "well-formed name"),
        ("https://example..com/", "well-formed name"),
        ("https://.example.com/", "well-formed name"),
        ("https://-x.example.com/", "well-formed name"),
        (f"https://{'a' * 64}.com/", "well-formed name"),
        (f"https://{'a.' * 127}com/", "well-formed name"),
        ("https://example.com:0/", "port"),
        ("https://example.com:65536/", "port"),
        (f"https://example.com/{'a' * 2000}", "at most 2000"),
    ],
)
def test_a_url_that_can_be_read_in_several_ways_is_refused(url, cause):
    with pytest.raises(AddressRefused) as raised:
        parse_url(url)

    (fault,) = raised.value.faults
    assert fault.at == "url"
    assert cause in fault.message


_PIECES = [*"ab01.:-_/?#@[]%\\ \t\r\n", "xn--", "0x", "::", "127", "ä"]


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
def test_an_accepted_url_is_read_as_by_the_standard_library(rest):
    url = f"https://{rest}"
    try:
        target = parse_url(url)
    except AddressRefused:
        return

    read = urlsplit(url)
    assert read.username is None
    assert (read.port or 443) == target.port
    expected = target.host if target.address is None else str(target.address)
    assert (read.hostname or "").lower() in {expected, _exploded(read.hostname)}
    assert target.path.isascii()
    assert not any(character.isspace() for character in target.path)


@given(st.from_regex(r"[0-9a-fx]{1,8}(\.[0-9a-fx]{1,4}){0,3}", fullmatch=True))
def test_no_accepted_name_is_an_address_to_the_resolver(host):
    try:
        target = parse_url(f"https://{host}/")
    except AddressRefused:
        return

    if target.address is not None:
        assert socket.inet_aton(host) == target.address.packed
        return
    with pytest.raises(OSError, match="illegal IP address"):
        socket.inet_aton(host)


def test_only_the_origin_of_a_url_is_for_everybody():
    target = parse_url("https://hooks.example.com:8443/services/T0/secret?key=secret")

    assert target.origin == "https://hooks.example.com:8443"
    assert parse_url("http://[2001:4860::8888]/x").origin == "http://[2001:4860::8888]"


def _exploded(host):
    try:
        return str(IPv6Address(host)) if ":" in host else host
    except ValueError:
        return host
