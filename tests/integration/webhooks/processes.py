"""Delivers messages in a process of its own, which a test may kill."""

import multiprocessing
import time
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from keeper.deliverer import Deliverer
from registry.deliveries.addresses import Allowed
from registry.deliveries.key_file import KeyFile
from registry.deliveries.sending import Sender
from registry.storage.database import Database

LOCAL = Allowed(networks=(ip_network("127.0.0.0/8"),))

# As in tests/integration/registry/processes.py.
_fresh = multiprocessing.get_context("forkserver")
_fresh.set_forkserver_preload([__name__])


def delivering(url: str, key: Path, lease: float) -> Any:
    """A new process that delivers the messages of the database at ``url``."""
    process = _fresh.Process(target=_deliver, args=(url, key, lease), daemon=True)
    process.start()
    return process


def _deliver(url: str, key: Path, lease: float) -> None:
    deliverer = Deliverer(
        Database(url),
        Sender(LOCAL, seconds=5.0),
        KeyFile(key),
        "",
        lease=timedelta(seconds=lease),
        look_seconds=0.02,
    )
    deliverer.start()
    time.sleep(300)
