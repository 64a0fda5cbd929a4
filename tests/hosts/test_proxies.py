"""The proxy of the chaos tests passes, refuses, swallows and delays."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.hosts.proxies import Cut, Proxy

PATIENCE = 5.0
SHORT = 0.2


@pytest.fixture
def heard() -> list[bytes]:
    """What the server has received."""
    return []


@pytest.fixture
def proxy(heard: list[bytes]) -> Iterator[Proxy]:
    """A proxy in front of a server that answers every message with its capitals."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while data := connection.recv(1000):
                heard.append(data)
                connection.sendall(data.upper())

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    proxy = Proxy(lambda: socket.create_connection(listener.getsockname()))
    yield proxy
    proxy.close()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE)


def asked(connection: socket.socket, message: bytes, patience: float = PATIENCE) -> bytes:
    connection.settimeout(patience)
    connection.sendall(message)
    return connection.recv(1000)


def test_it_passes_messages_in_both_directions(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        assert asked(connection, b"one") == b"ONE"
        assert asked(connection, b"two") == b"TWO"


def test_it_resets_connections_and_refuses_new_ones_until_it_is_restored(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        asked(connection, b"one")
        proxy.refuse()

        with pytest.raises(ConnectionError):
            connected(proxy)
        with suppress(ConnectionError):  # or it is at its end
            assert asked(connection, b"two") == b""

    proxy.restore()
    with connected(proxy) as connection:
        assert asked(connection, b"three") == b"THREE"


def test_it_delivers_what_it_swallowed_when_it_is_restored(
    proxy: Proxy, heard: list[bytes]
) -> None:
    with connected(proxy) as old, connected(proxy) as new:
        asked(old, b"one")
        proxy.swallow()
        for each in (old, new):
            with pytest.raises(TimeoutError):
                asked(each, b"two", SHORT)
        assert heard == [b"one"]

        proxy.restore()

        assert old.recv(1000) == b"TWO"


def test_it_can_swallow_replies_alone(proxy: Proxy, heard: list[bytes]) -> None:
    with connected(proxy) as connection:
        asked(connection, b"one")
        proxy.swallow(Cut.REPLIES)

        with pytest.raises(TimeoutError):
            asked(connection, b"two", SHORT)

        assert heard == [b"one", b"two"]


def test_it_delays_each_direction(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        proxy.delay(SHORT)
        began = time.monotonic()

        assert asked(connection, b"one") == b"ONE"

        assert time.monotonic() - began >= 2 * SHORT
