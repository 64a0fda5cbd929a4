"""The loaded versions of a split, one of which answers each request."""

import time
from collections.abc import Callable, Sequence

from registry.engines.served_version import Key
from registry.errors import RequestKeyMalformed
from registry.live.pool import LoadedVersion
from registry.splits.buckets import BUCKETS
from registry.splits.choice import LONGEST_KEY, Split, first_half, keyed_hash


class UnloadedArm:
    """A version of a split that is not in memory; ``load`` waits until it is, or raises."""

    __slots__ = ("key", "last_used", "load")

    def __init__(self, key: Key, load: Callable[[], LoadedVersion]) -> None:
        self.key = key
        self.load = load
        self.last_used = time.monotonic()

    def choose(self, sent: str | None, request_id: str) -> "Arm":  # noqa: ARG002 - as LoadedSplit.choose
        """This version: it was chosen by the token of the request."""
        return self


Arm = LoadedVersion | UnloadedArm


class LoadedSplit:
    """The versions of ``split``, as far as they are loaded, in the order of its numbers.

    Only ``last_used`` ever changes.
    """

    __slots__ = ("_arms", "_by_header", "_count", "_hash", "_owners", "last_used")

    def __init__(self, split: Split, arms: Sequence[Arm]) -> None:
        self._arms = tuple(arms)
        self._by_header = split.by == "header"
        self._hash = keyed_hash(split.salt)
        self._owners = split.owners
        self._count = split.hashed.append
        self.last_used = time.monotonic()

    def choose(self, sent: str | None, request_id: str) -> Arm:
        """The version for a request with the X-Request-Key ``sent``, which may be missing.

        Raises RequestKeyMalformed where the split is by keys and it is empty, too long or has
        characters outside ASCII, which not all servers pass on.
        """
        if sent is None or not self._by_header:
            sent = request_id
        elif not 0 < len(sent) <= LONGEST_KEY or not sent.isascii():
            raise RequestKeyMalformed(LONGEST_KEY)
        # As Split.place_of, which a test compares: its calls would take as long again.
        hashed = self._hash.copy()
        hashed.update(sent.encode())
        digest = hashed.digest()
        self._count(digest)
        arm: Arm = self._arms[self._owners[first_half(digest)[0] % BUCKETS]]
        arm.last_used = self.last_used
        return arm


Answering = LoadedVersion | LoadedSplit | UnloadedArm
"""What answers the requests of a caller for a reference."""
