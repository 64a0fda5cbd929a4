"""Has the uses of tokens noted that a worker has seen."""

from collections.abc import Callable, Collection
from contextlib import suppress

from registry.errors import StorageFull, Unavailable
from registry.live.repeated import Repeated
from registry.live.watch import Watch

REPORT_SECONDS = 60.0

NoteUses = Callable[[Collection[int]], None]
"""Notes that the tokens with these ids were used; raises Unavailable or StorageFull."""


class TokenUses:
    """Calls ``note`` once a minute with the tokens that were presented to ``watch``.

    In a thread of its own: the watch must not wait for a write.
    """

    def __init__(self, watch: Watch, note: NoteUses) -> None:
        self._watch = watch
        self._note = note
        self._unreported: set[int] = set()
        self._repeated = Repeated(self.report, REPORT_SECONDS, "uses")

    def start(self) -> None:
        """Report from now on."""
        self._repeated.start()

    def close(self) -> None:
        """Stop reporting. Uses since the last report are not noted."""
        self._repeated.close()

    def report(self) -> None:
        """Have the uses since the last report noted; where that fails, the next one has them."""
        self._unreported |= self._watch.take_presented()
        if not self._unreported:
            return
        with suppress(Unavailable, StorageFull):
            self._note(self._unreported)
            self._unreported = set()
