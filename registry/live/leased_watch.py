"""The serving state of a worker whose host shares its database with others."""

from time import clock_gettime_ns
from typing import Any

from registry.live.lease import CLOCK, VALID_UNTIL, Lease
from registry.live.loaded_split import Answering
from registry.live.watch import Caller, Watch, WatchedState


class LeasedWatch(Watch):
    """Answers only while the ``lease`` of the host permits it; else its methods raise LeaseOver.

    The lease is looked at before the counter. In the other order a request could look at the
    counter, be suspended until the host has been cut off and has come back, and then find a lease
    that was renewed after the counter was raised.
    """

    def __init__(self, *arguments: Any, lease: Lease, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._lease = lease
        self._page = lease.page
        self._serves_without = lease.serves_without

    def cached(self, caller: Caller) -> Answering | None:
        # As ``Lease.forbids``, without the calls: this is on the path of every prediction.
        end = self._page[VALID_UNTIL]
        if clock_gettime_ns(CLOCK) >= end and not (self._serves_without and end):
            return None
        return Watch.cached(self, caller)

    def _current_state(self) -> WatchedState:
        self._lease.check()
        return self._newest_state()
