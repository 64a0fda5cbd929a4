"""A process that makes one change and answers it: python -m tests.integration.hosts.changing URL"""

import os
import sys
import time

from registry.hosts.driving import complete
from registry.hosts.promoter import Promoter, Silences
from registry.hosts.sql_store import SqlHostStore
from registry.storage.database import Database
from registry.storage.history import record

SECOND = 10**9


def promoter(store: SqlHostStore) -> Promoter:
    """Of a process without workers of its own."""

    def clock() -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    return Promoter(store, "elsewhere", page=None, clock=clock, silences=Silences(clock))


def main(url: str) -> None:
    database = Database(url)
    store = SqlHostStore(url, 2.0)
    with database.write() as session:
        record(session, "model_updated", actor="a test")
    complete(promoter(store).confirm(30 * SECOND))
    os.write(1, b"answered")


if __name__ == "__main__":
    main(sys.argv[1])
