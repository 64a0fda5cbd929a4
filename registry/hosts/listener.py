"""Wakes a thread when another host has changed something, by LISTEN and NOTIFY of PostgreSQL.

Nothing depends on it but the time that a change takes: behind a pooler of transactions no message
arrives, and the next beat finds the change.
"""

import logging
import os
import select
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from registry.errors import RegistryError
from registry.hosts.sql_store import SqlHostStore

logger = logging.getLogger(__name__)

CHECK_SECONDS = 10.0
"""How often a connection is used on which nothing arrives: one that was cut would stay silent."""
RETRY_SECONDS = 1.0


class Listener:
    """Calls ``wake``, which must not raise, after each message, in a thread of its own."""

    def __init__(self, store: SqlHostStore, wake: Callable[[], None]) -> None:
        self._store = store
        self._wake = wake
        self._closing = threading.Event()
        self._closed = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._closing.set()
        os.eventfd_write(self._closed, 1)
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._closed)

    def _run(self) -> None:
        failed = False
        while not self._closing.is_set():
            try:
                with self._store.listening() as connection:
                    failed = False
                    self._wake()  # what was sent before is lost
                    self._listen(connection)
            except (RegistryError, SQLAlchemyError, OSError, self._store.driver_error) as error:
                if not failed:
                    logger.info("messages of other hosts do not arrive at present: %s", error)
                failed = True
                self._closing.wait(RETRY_SECONDS)

    def _listen(self, connection: Any) -> None:
        events = select.poll()
        events.register(connection.fileno(), select.POLLIN)
        events.register(self._closed, select.POLLIN)
        while not self._closing.is_set():
            if not events.poll(CHECK_SECONDS * 1000):
                connection.execute("SELECT 1")
            connection.pgconn.consume_input()
            arrived = False
            while connection.pgconn.notifies() is not None:
                arrived = True
            if arrived:
                self._wake()
