"""``hotswap serve`` reserves its port, and waits briefly for one that is being released."""

import socket
import threading

import pytest

from cli.exits import CommandFailed
from cli.listening import listen
from config import Settings


def settings_of(listener: socket.socket, workers: int = 1) -> Settings:
    return Settings(port=listener.getsockname()[1], workers=workers)


def test_a_port_released_while_waiting_is_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        leaves = threading.Timer(0.3, listener.close)
        leaves.start()
        listen(settings_of(listener), patience=20).close()
        leaves.join()


def test_a_port_that_stays_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CommandFailed, match=f"Cannot listen on 127.0.0.1:{port}: Address"):
            listen(settings_of(listener), patience=0.2)


def test_a_reserved_port_is_shared_only_by_its_workers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = settings_of(listener, workers=2)

    listeners = listen(settings)
    with pytest.raises(CommandFailed, match="Address already in use"):
        listen(settings, patience=0)
    listeners.of(1).listen()
    with socket.create_connection((settings.host, settings.port)):
        listeners.of(1).accept()[0].close()
    listeners.close()

    listen(settings).close()


def test_each_worker_has_its_own_socket() -> None:
    """A connection that waits in a socket without a worker would never be answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = settings_of(listener, workers=2)
    listeners = listen(settings)

    assert listeners.fit(settings_of(listeners.of(0), workers=4)) == 4
    assert listeners.fit(settings_of(listeners.of(0), workers=1)) == 4
    assert len({listeners.of(worker).fileno() for worker in range(4)}) == 4
    listeners.close()
