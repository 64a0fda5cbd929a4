"""``hotswap serve`` claims its port, and waits a moment for one that is about to be left."""

import socket
import threading

import pytest
from granian.net import SocketSpec

from cli.exits import CommandFailed
from cli.serve import claim_port
from config import Settings


def test_a_port_that_is_left_meanwhile_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        leaves = threading.Timer(0.3, listener.close)
        leaves.start()
        claim_port(Settings(port=listener.getsockname()[1]), patience=20).close()
        leaves.join()


def test_a_port_that_stays_in_use_is_an_error_that_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CommandFailed, match=f"Cannot listen on 127.0.0.1:{port}: Address"):
            claim_port(Settings(port=port), patience=0.2)


def test_a_claimed_port_is_for_the_sockets_of_its_workers_and_for_no_other_service() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = Settings(port=listener.getsockname()[1])

    with claim_port(settings):
        with pytest.raises(CommandFailed, match="Address already in use"):
            claim_port(settings, patience=0)
        for_worker = SocketSpec(settings.host, settings.port, 16).build()
        with socket.socket(fileno=for_worker.get_fd()) as bound:
            bound.listen()
            with socket.create_connection((settings.host, settings.port)):
                bound.accept()[0].close()

    claim_port(settings).close()
