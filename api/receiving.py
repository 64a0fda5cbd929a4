"""How much a worker takes on at once: requests that are answered, and bodies that arrive."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from queue import SimpleQueue
from typing import Any, Protocol

from registry.engines.allocator import give_back_memory
from registry.errors import Overloaded

Environ = dict[str, Any]

MAX_ANSWERS = 32
"""Requests that one process answers at the same time; the others wait for a place."""
MAX_BODIES = 512
"""Bodies of one caller that one process waits for at the same time."""
MAX_BODY_BYTES = 256 * 2**20
"""What one process holds, decoded, of bodies of one caller that have not arrived whole."""
_MANY_BYTES = 32 * 2**20
_FEW_BYTES = 8 * 2**20
"""Once the bodies held many bytes and then hold few, free memory goes back to the system."""

PATIENCE_SECONDS = 20.0
LEAST_BYTES_PER_SECOND = 1024
"""A body that comes more slowly, in so many seconds of waiting for it, is not waited for."""

ARRIVAL = "hotswap.arrival"
"""Where the server puts an ``ArrivingBody``, unless the body came together with the request's head.
The WSGI interface has no way to report a body that broke off."""
PLACE = "hotswap.place"
"""Where the server puts the ``Places`` of which the request has one."""


class Arrival(Enum):
    """How a body has arrived."""

    WHOLE = auto()
    BROKEN = auto()
    SLOW = auto()
    STOPPED = auto()
    """The worker stopped before it was there."""


class ArrivingBody(Protocol):
    """A body that is on its way, as the server sees it."""

    def begin_wait(self) -> None:
        """Count from now on how slowly it arrives."""

    def arrival(self, size: int) -> Arrival:
        """How it has arrived; ``size`` bytes of it were read."""


class Places:
    """Lets ``most`` threads at a time into a block; the others wait before it."""

    def __init__(self, most: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(most):
            self._free.put(None)
        # No methods of our own in between: each prediction calls both.
        self.enter: Callable[[], None] = self._free.get
        self.leave: Callable[[None], None] = self._free.put


@contextmanager
def without_place(environ: Environ) -> Iterator[None]:
    """Give the request's place to others in this block, which waits for the caller."""
    places: Places | None = environ.get(PLACE)
    if places is None:
        yield
        return
    places.leave(None)
    try:
        yield
    finally:
        places.enter()


class Bodies:
    """The bodies that arrive: ``most`` of each caller, and ``most_bytes`` of their content."""

    def __init__(self, most: int = MAX_BODIES, most_bytes: int = MAX_BODY_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._count: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._held = 0
        self._held_many = False

    @contextmanager
    def arriving(self, caller: str) -> Iterator["Body"]:
        """A body of ``caller`` arrives in this block. Raises Overloaded."""
        self.take(caller, bodies=1)
        body = Body(self, caller)
        try:
            yield body
        finally:
            if self._leave(caller, body.held):
                give_back_memory()

    def take(self, caller: str, *, bodies: int = 0, size: int = 0) -> None:
        """Count more of the caller's. Raises Overloaded."""
        with self._lock:
            count, held = self._count[caller] + bodies, self._bytes[caller] + size
            if count > self._most or held > self._most_bytes:
                raise Overloaded
            self._count[caller], self._bytes[caller] = count, held
            self._held += size
            self._held_many = self._held_many or self._held >= _MANY_BYTES

    def _leave(self, caller: str, size: int) -> bool:
        """Count one body of ``size`` less; whether there is much memory to give back."""
        with self._lock:
            self._count[caller] -= 1
            self._bytes[caller] -= size
            if not self._count[caller]:
                del self._count[caller], self._bytes[caller]
            self._held -= size
            gives_back = self._held_many and self._held < _FEW_BYTES
            self._held_many = self._held_many and not gives_back
            return gives_back


class Body:
    """A body that arrives, and how many of its bytes are in memory."""

    def __init__(self, bodies: Bodies, caller: str) -> None:
        self._bodies = bodies
        self._caller = caller
        self.held = 0

    def hold(self, size: int) -> None:
        """Make sure that there may be so many bytes more of it. Raises Overloaded."""
        self._bodies.take(self._caller, size=size)
        self.held += size
