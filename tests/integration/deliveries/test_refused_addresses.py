"""No connection is made to an address that is refused, as a listener on this machine sees."""

import socket
from ipaddress import ip_address

import pytest

from registry.deliveries.addresses import Allowed, check_target
from registry.deliveries.sending import Sender, look_up
from registry.deliveries.urls import parse_url
from registry.errors import AddressRefused
from tests.receivers import Receiver

EVERY = str(ip_address(0))
ADDRESSES = [
    EVERY,
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "192.0.0.192",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:0.0.0.0",
    "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::127.0.0.1",
    "2001::7f00:1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
SPELLINGS = [
    "127.1",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "127.0.0.1.",
    "localhost.",
    "loc%61lhost",
    "①②⑦.⓪.⓪.①",
    "user@127.0.0.1",
    "example.com@127.0.0.1",
    "[::1%25lo]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]",
]


@pytest.fixture(scope="module")
def listener():
    """Listens at every address of this machine."""
    with Receiver(host="::") as receiver:
        yield receiver


def test_the_listener_sees_what_connects_to_it(listener):
    """Otherwise the other tests of this file would prove nothing."""
    before = listener.connections
    seen = 0
    for address in ("127.0.0.1", "127.0.0.2", "::1", EVERY, "::ffff:127.0.0.1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.connect((address, listener.port))
            connection.sendall(b"POST / HTTP/1.1\r\n\r\n")
            seen += connection.recv(100).startswith(b"HTTP/1.1 204")

    assert (seen, listener.connections - before) == (5, 5)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_no_connection_is_made_to_an_address_that_is_refused(address, scheme, listener):
    before = listener.connections
    host = f"[{address}]" if ":" in address else address
    target = parse_url(f"{scheme}://{host}:{listener.port}/latest/meta-data/")

    with pytest.raises(AddressRefused):
        check_target(target, Allowed())
    by_address = Sender(Allowed()).send(target, {}, b"{}")
    by_name = _sender_for(address).send(
        parse_url(f"{scheme}://name.example.com:{listener.port}/"), {}, b"{}"
    )

    assert (by_address.result, by_name.result) == ("refused", "refused")
    assert listener.connections == before


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_other_spelling_of_an_address_is_read(spelling, listener):
    before = listener.connections

    with pytest.raises(AddressRefused):
        check_target(parse_url(f"https://{spelling}:{listener.port}/"), Allowed())

    assert listener.connections == before


def test_a_name_of_this_machine_is_refused(listener):
    before = listener.connections
    looked_up = []

    def look_up_and_note(host, port):
        looked_up.extend(look_up(host, port))
        return looked_up

    outcome = Sender(Allowed(), lookup=look_up_and_note).send(
        parse_url(f"https://localhost:{listener.port}/"), {}, b"{}"
    )

    assert looked_up
    assert outcome.result == "refused"
    assert "loopback" in outcome.error or "not on the internet" in outcome.error
    assert listener.connections == before


def test_a_name_with_one_refused_address_is_refused(listener):
    before = listener.connections
    both = [(socket.AF_INET, ("8.8.8.8", 1)), (socket.AF_INET, ("127.0.0.1", listener.port))]

    for addresses in (both, both[::-1]):
        outcome = Sender(Allowed(), lookup=lambda *_, found=addresses: found).send(
            parse_url("https://name.example.com/"), {}, b"{}"
        )
        assert outcome.result == "refused"
    assert listener.connections == before


def _sender_for(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return Sender(Allowed(), lookup=lambda host, port: [(family, (address, port))])
