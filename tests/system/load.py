"""Clients that predict by alias while something happens to the service."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.swap import Client, Target, constant_model
from benchmarks.swap_record import Reply
from tests.system.models import upload
from tests.system.real_server import Server

MODEL = "busy"
PAUSE_SECONDS = 0.004
"""What is done beside the load should not take longer for it; test_swap.py has more of it."""


@dataclass
class Load:
    """The replies, once the block has ended."""

    replies: list[Reply] = field(default_factory=list)

    @property
    def failed(self) -> list[Reply]:
        return [reply for reply in self.replies if reply.status != 200]


@contextmanager
def predicting(
    server: Server,
    model: str = MODEL,
    value: float = 100.0,
    connections: int = 4,
    settle: float = 0.5,
) -> Iterator[Load]:
    """Predict with ``model`` until the block ends.

    If there is no such model, a version that always answers ``value`` is made and promoted before.
    """
    if server.call("GET", f"/models/{model}").status_code == 404:
        upload(server, model, constant_model(value))
        server.call("POST", f"/models/{model}/1/promote").raise_for_status()
    stop, load = threading.Event(), Load()
    target = Target(server.url, server.token, model)
    clients = [Client(target, client, stop, pause=PAUSE_SECONDS) for client in range(connections)]
    for client in clients:
        client.start()
    time.sleep(settle)
    try:
        yield load
        time.sleep(settle)
    finally:
        stop.set()
        for client in clients:
            client.join()
        load.replies = [reply for client in clients for reply in client.replies]
