"""``hotswap serve`` waits a moment for a port that an earlier service is about to leave."""

import socket
import threading

import pytest

from cli.exits import CommandFailed
from cli.serve import wait_for_port
from config import Settings


def test_a_port_that_is_left_meanwhile_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        leaves = threading.Timer(0.3, listener.close)
        leaves.start()
        wait_for_port(Settings(port=listener.getsockname()[1]), patience=20)
        leaves.join()


def test_a_port_that_stays_in_use_is_an_error_that_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CommandFailed, match=f"Cannot listen on 127.0.0.1:{port}: Address"):
            wait_for_port(Settings(port=port), patience=0.2)
