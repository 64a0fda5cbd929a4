"""The loaded versions of a split, one of which answers each request."""

import time
from collections.abc import Callable, Sequence

from registry.engines.served_version import Key
from registry.errors import RequestKeyMalformed
from registry.live.pool import LoadedVersion
from registry.splits.choice import Split
from registry.splits.key_places import LONGEST_KEY


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

    __slots__ = ("_arms", "_by_header", "_place_of", "last_used")

    def __init__(self, split: Split, arms: Sequence[Arm]) -> None:
        self._arms = tuple(arms)
        self._by_header = split.by == "header"
        self._place_of = split.places.place_of
        self.last_used = time.monotonic()

    def choose(self, sent: str | None, request_id: str) -> Arm:
        """The version for a request with the X-Request-Key ``sent``, which may be missing.

        Raises RequestKeyMalformed where the split is by keys and it is empty, too long or has
        characters outside ASCII, which not all servers pass on.
        """
        place = self._place_of(request_id if sent is None or not self._by_header else sent)
        if place < 0:
            raise RequestKeyMalformed(LONGEST_KEY)
        arm: Arm = self._arms[place]
        arm.last_used = self.last_used
        return arm


Answering = LoadedVersion | LoadedSplit | UnloadedArm
"""What answers the requests of a caller for a reference."""
