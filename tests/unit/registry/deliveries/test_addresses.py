"""Which addresses a webhook may reach."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.deliveries.addresses import Allowed, check_addresses, check_target, refused_kind
from registry.deliveries.urls import parse_url
from registry.errors import AddressRefused

INTERNAL = [
    str(IPv4Address(0)),
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "100::1",
    "2001::7f00:1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
GLOBAL = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2001:4860:4860::8888", "2a00::1"]


@pytest.mark.parametrize("address", INTERNAL)
def test_an_address_that_is_not_on_the_internet_is_refused(address):
    assert refused_kind(ip_address(address)) is not None


@pytest.mark.parametrize("address", GLOBAL)
def test_an_address_on_the_internet_is_accepted(address):
    assert refused_kind(ip_address(address)) is None


@given(st.ip_addresses())
def test_what_the_standard_library_knows_as_special_is_refused(address):
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    if special or not address.is_global or address.is_loopback or address.is_link_local:
        assert refused_kind(address) is not None


@given(st.integers(0, 2**32 - 1))
def test_no_form_of_ipv6_that_contains_an_address_of_ipv4_is_accepted(four):
    for prefix in ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::"):
        assert refused_kind(IPv6Address(int(IPv6Address(prefix)) + four)) is not None
    assert refused_kind(IPv6Address((0x2002 << 112) + (four << 80))) is not None


def test_one_refused_address_of_several_is_enough():
    target = parse_url("https://hooks.example.com/")
    both = [ip_address("8.8.8.8"), ip_address("127.0.0.1")]

    check_addresses(target, both[:1], Allowed())
    for addresses in (both, both[::-1]):
        with pytest.raises(AddressRefused, match=r"127\.0\.0\.1, which is loopback"):
            check_addresses(target, addresses, Allowed())


def test_a_host_without_addresses_is_refused():
    with pytest.raises(AddressRefused, match="no address"):
        check_addresses(parse_url("https://hooks.example.com/"), [], Allowed())


def test_an_allowed_host_may_have_any_address_also_over_http():
    allowed = Allowed(frozenset({"ci.internal"}))
    internal = [ip_address("10.0.0.1")]

    check_addresses(parse_url("http://CI.internal:8080/"), internal, allowed)
    check_target(parse_url("http://ci.internal:8080/"), allowed)
    for other in ("https://x.ci.internal/", "https://ci.internal.example.com/"):
        with pytest.raises(AddressRefused, match="private"):
            check_addresses(parse_url(other), internal, allowed)


def test_an_allowed_network_may_be_reached_also_over_http():
    allowed = Allowed(networks=(ip_network("10.1.0.0/16"), ip_network("fd00::/8")))
    target = parse_url("http://hooks.example.com/")

    check_target(target, allowed)
    check_addresses(target, [ip_address("10.1.2.3"), ip_address("fd00::1")], allowed)
    with pytest.raises(AddressRefused, match=r"10\.2\.0\.1"):
        check_addresses(target, [ip_address("10.1.2.3"), ip_address("10.2.0.1")], allowed)
    with pytest.raises(AddressRefused, match="not on the internet"):
        check_addresses(target, [ip_address("::ffff:10.1.2.3")], allowed)


def test_http_to_the_internet_is_refused():
    with pytest.raises(AddressRefused, match="use https"):
        check_target(parse_url("http://hooks.example.com/"), Allowed())
    with pytest.raises(AddressRefused, match="use https"):
        check_target(parse_url("http://8.8.8.8/"), Allowed(networks=(ip_network("10.0.0.0/8"),)))
    with pytest.raises(AddressRefused, match="use https"):
        check_addresses(
            parse_url("http://hooks.example.com/"),
            [ip_address("10.0.0.1"), ip_address("8.8.8.8")],
            Allowed(networks=(ip_network("10.0.0.0/8"),)),
        )


@pytest.mark.parametrize("address", [one for one in INTERNAL if "%" not in one])
def test_a_url_with_a_refused_address_is_refused_before_anything_is_sent(address):
    host = f"[{address}]" if ":" in address else address

    with pytest.raises(AddressRefused):
        check_target(parse_url(f"https://{host}/"), Allowed())
