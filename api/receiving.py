"""Limits on the requests that a worker answers, and the bodies that it receives, at a time."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from queue import SimpleQueue
from typing import Any, Protocol

from registry.engines.allocator import release_free_memory
from registry.errors import Overloaded

Environ = dict[str, Any]

MAX_ANSWERS = 32
"""Requests that one process answers at the same time; further ones wait."""
MAX_BODIES = 512
"""Bodies of one caller that one process receives at the same time."""
MAX_BODY_BYTES = 256 * 2**20
"""Decoded bytes that one process keeps of one caller's bodies that are still arriving."""
_MANY_BYTES = 32 * 2**20
_FEW_BYTES = 8 * 2**20
"""When the bodies' memory falls below the second after it reached the first, the allocator returns
free memory to the system."""

PATIENCE_SECONDS = 20.0
LEAST_BYTES_PER_SECOND = 1024
"""A body that is slower over ``PATIENCE_SECONDS`` of waiting for it is refused."""

ARRIVAL = "hotswap.arrival"
"""The key of the server's ``ArrivingBody``, unless the body arrived together with the request's
head. WSGI has no way to report an incomplete body."""
PLACE = "hotswap.place"
"""The key of the server's ``Places``, one of which the request occupies."""


class Arrival(Enum):
    """How a body has arrived."""

    WHOLE = auto()
    BROKEN = auto()
    SLOW = auto()
    STOPPED = auto()
    """The worker stopped before it had arrived."""


class ArrivingBody(Protocol):
    """A body that is still arriving, as the server sees it."""

    def begin_wait(self) -> None:
        """Start to measure how fast it arrives."""

    def arrival(self, size: int) -> Arrival:
        """Its state after ``size`` bytes were read."""


class Places:
    """Lets at most ``most`` threads at a time into a block; the others wait."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(most):
            self._free.put(None)
        # Bound methods, without a call in between: each prediction calls both.
        self.enter: Callable[[], None] = self._free.get
        self.leave: Callable[[None], None] = self._free.put

    @property
    def taken(self) -> int:
        """How many threads are in such a block now."""
        return self.most - self._free.qsize()


@contextmanager
def without_place(environ: Environ) -> Iterator[None]:
    """Release the request's place during this block, which waits for something else."""
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
    """The bodies that are arriving: at most ``most`` and ``most_bytes`` for each caller."""

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
        """Count a body of ``caller`` that arrives during this block. Raises Overloaded."""
        self.take(caller, bodies=1)
        body = Body(self, caller)
        try:
            yield body
        finally:
            if self._leave(caller, body.held):
                release_free_memory()

    def take(self, caller: str, *, bodies: int = 0, size: int = 0) -> None:
        """Add to the caller's bodies and bytes. Raises Overloaded."""
        with self._lock:
            count, held = self._count[caller] + bodies, self._bytes[caller] + size
            if count > self._most or held > self._most_bytes:
                raise Overloaded
            self._count[caller], self._bytes[caller] = count, held
            self._held += size
            self._held_many = self._held_many or self._held >= _MANY_BYTES

    def _leave(self, caller: str, size: int) -> bool:
        """Remove one body of ``size`` bytes; True: much memory can be returned to the system."""
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
    """A body that is arriving; ``held`` of its bytes are in memory."""

    def __init__(self, bodies: Bodies, caller: str) -> None:
        self._bodies = bodies
        self._caller = caller
        self.held = 0

    def hold(self, size: int) -> None:
        """Count ``size`` more bytes of it. Raises Overloaded."""
        self._bodies.take(self._caller, size=size)
        self.held += size
