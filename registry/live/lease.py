"""The lease of a host, in memory that its workers share.

Workers compare it with the clock before each answer. A timer that sets a flag would not do: after a
process was suspended, a thread that answers a request may run before that of the timer.
"""

import time
from pathlib import Path
from typing import Literal

from registry.errors import LeaseOver
from registry.live.counter import Counter

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine is suspended; CLOCK_MONOTONIC does on macOS only."""

VALID_UNTIL, _INCARNATION, _BOOT = 1, 2, 3
"""Words of the page whose first one is the counter. Aligned, so each is read and written whole."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NANOSECONDS = 10**9

WithoutLease = Literal["refuse", "serve"]


def boot_time() -> int:
    """The clock of leases, in nanoseconds."""
    return time.clock_gettime_ns(CLOCK)


class Lease:
    """The lease of the host in the page of ``counter``, and the incarnation that renews it.

    What was there before the machine was started last is forgotten: its clock began again.
    """

    def __init__(self, counter: Counter, without: WithoutLease = "refuse") -> None:
        self.page = counter.view
        self.serves_without = without == "serve"
        boot = _this_boot()
        with counter.locked():
            if self.page[_BOOT] != boot:
                self.page[VALID_UNTIL] = self.page[_INCARNATION] = 0
                self.page[_BOOT] = boot

    @property
    def valid_until(self) -> int:
        """When the lease ends, by ``boot_time``; 0: there is none."""
        return self.page[VALID_UNTIL]

    @valid_until.setter
    def valid_until(self, end: int) -> None:
        self.page[VALID_UNTIL] = end

    @property
    def incarnation(self) -> int:
        """That of the host's row in the database which speaks for this page."""
        return self.page[_INCARNATION]

    @incarnation.setter
    def incarnation(self, incarnation: int) -> None:
        self.page[_INCARNATION] = incarnation

    def is_over(self) -> bool:
        """Whether the host has no lease at present."""
        # In this order: of a lease that is renewed in between, the old end is compared.
        end = self.page[VALID_UNTIL]
        return time.clock_gettime_ns(CLOCK) >= end

    def forbids(self) -> bool:
        """Whether the host must not answer. To be called before the counter is read: a lease that
        is renewed in between is renewed after the counter was raised."""
        if self.serves_without:
            return not self.page[VALID_UNTIL]  # it has yet to join, or has left
        return self.is_over()

    def check(self) -> None:
        """Raises LeaseOver where the host must not answer."""
        if self.forbids():
            raise LeaseOver

    def seconds_over(self) -> float:
        """How long ago the lease ended; 0 while it lasts, and before the first."""
        end = self.page[VALID_UNTIL]
        return max(0, boot_time() - end) / _NANOSECONDS if end else 0.0

    def seconds_left(self) -> float:
        """How long the lease lasts, negative where it has ended."""
        return (self.page[VALID_UNTIL] - boot_time()) / _NANOSECONDS


def _this_boot() -> int:
    """Another number, not 0, after each start of the machine."""
    try:
        return int(_BOOT_ID.read_text().replace("-", "")[:15], 16) + 1
    except OSError:  # not Linux
        return 1
