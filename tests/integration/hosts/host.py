"""A host that beats only when a test lets it."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from registry.hosts.driving import complete
from registry.hosts.renewer import Renewer
from registry.hosts.sql_store import SqlHostStore
from registry.hosts.store import Asked, Presence

SECOND = 10**9


@dataclass
class Page:
    valid_until: int = 0
    incarnation: int = 0


@dataclass
class Workers:
    """They have loaded everything."""

    counter: int = 0
    asked: list[Asked] = field(default_factory=list)

    def announce(self) -> None:
        self.counter += 1

    def prepare(self, asked: Iterable[Asked]) -> None:
        self.asked = list(asked)

    def release(self, preparing: frozenset[int]) -> None:
        """There is nothing to release."""

    def are_loaded(self) -> bool:
        return True


class Host:
    """It has joined, with a lease of a minute."""

    def __init__(self, store: SqlHostStore) -> None:
        self.workers = Workers()
        self.renewer = Renewer(
            store,
            Presence("one", 11, "1.0", 2),
            page=Page(),
            clock=lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME),
            workers=self.workers,
            lease=60 * SECOND,
        )
        complete(self.renewer.enter())
        self.beat()

    def beat(self) -> None:
        while complete(self.renewer.beat()):
            pass
