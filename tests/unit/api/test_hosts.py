"""Which Host headers are accepted."""

import pytest

from api.hosts import Hosts
from config import Settings
from registry.errors import HostRefused

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens in these tests


def asked(host: str | None, protocol: str = "HTTP/1.1") -> dict[str, str]:
    environ = {"SERVER_PROTOCOL": protocol}
    return environ if host is None else {**environ, "HTTP_HOST": host}


def test_a_service_on_a_unix_socket_accepts_any_host_by_default():
    """No browser connects to one, and a proxy passes on the name that its caller used."""
    Hosts.of(Settings(uds="/run/http.sock")).check(asked("models.example.com"))

    with pytest.raises(HostRefused):
        Hosts.of(Settings(uds="/run/http.sock", allowed_hosts="a.example")).check(
            asked("b.example")
        )


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:8000", "127.0.0.1:1", "[::1]:80", "[::1]"]
)
def test_a_service_on_loopback_accepts_loopback_names(host):
    assert Hosts.of(Settings()).knows(asked(host))


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.7", "localhost2"]
)
def test_a_service_on_loopback_refuses_other_names(host):
    hosts = Hosts.of(Settings())
    hosts.check(asked("localhost"))

    with pytest.raises(HostRefused, match="HOTSWAP_ALLOWED_HOSTS"):
        hosts.check(asked(host))


@pytest.mark.parametrize(("host", "known"), [("127.9.9.9", True), ("127.9.9.8", False)])
def test_the_address_to_listen_on_is_an_allowed_host(host, known):
    assert Hosts.of(Settings(host="127.9.9.9")).knows(asked(host)) is known


@pytest.mark.parametrize("listening", [EVERYWHERE, "::", "10.0.0.7"])
def test_a_service_on_other_addresses_accepts_any_host_by_default(listening):
    assert Hosts.of(Settings(host=listening)).knows(asked("whatever.example:99"))


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("models.example.com", True),
        ("MODELS.example.com:8443", True),
        ("models.example.com.", True),
        ("[2001:db8::1]:80", True),
        ("localhost", True),
        ("example.com", False),
        ("evil.example", False),
    ],
)
def test_configured_names_replace_the_defaults(host, known):
    settings = Settings(host=EVERYWHERE, allowed_hosts="models.example.com, 2001:db8::1")

    assert Hosts.of(settings).knows(asked(host)) is known


@pytest.mark.parametrize(
    "host",
    ["", None, "a,b", "a b", "user@a", "a:b", "a:123456", "a/b", "[::1", "::1", "a\x00", "a\nb"],
)
def test_malformed_hosts_are_always_refused(host):
    assert not Hosts.of(Settings(host=EVERYWHERE)).knows(asked(host))


def test_only_http_1_0_may_omit_the_host():
    assert Hosts.of(Settings()).knows(asked(None, "HTTP/1.0"))


@pytest.mark.parametrize(
    ("target", "known"),
    [
        ("/models", True),
        ("//evil.example/models", True),
        ("*", True),
        ("http://localhost/models", True),
        ("HTTPS://LOCALHOST?a", True),
        ("http://evil.example/models", False),
        ("http://localhost:80/models", False),
        ("http://localhost@evil.example/", False),
        ("http:///models", False),
        ("ftp://localhost/models", False),
        ("localhost:80", False),
        ("", False),
    ],
)
def test_the_authority_of_a_target_must_match_the_host_header(target, known):
    request = {**asked("localhost"), "RAW_URI": target}
    hosts = Hosts.of(Settings())

    assert hosts.knows(request) is known
    if not known:
        with pytest.raises(HostRefused, match="authority of the Host header"):
            hosts.check(request)
