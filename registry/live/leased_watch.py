"""The serving state of a worker whose host shares its database with others."""

from typing import Any

from registry.live.lease import Lease
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

    def cached(self, caller: Caller) -> Answering | None:
        return None if self._lease.forbids() else super().cached(caller)

    def _current_state(self) -> WatchedState:
        self._lease.check()
        return self._newest_state()
