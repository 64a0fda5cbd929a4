"""How hosts that share a database keep this promise: once a change is answered, no request that
begins afterwards, on any host, is answered by what held before.

A host answers only while its lease lasts. Its renewer prolongs the lease at each beat:

    t := clock
    present      upsert the row of the host, in a transaction of its own
    read         the last event, and the versions that the host is requested to load; begins after
                 ``present`` has ended
    announce     raise the shared counter: each worker reads the database before its next answer
    extend       the lease ends at t + 0.9 leases
    acknowledge  that event

A promoter commits, then reads the rows of the hosts, and waits for each until it has acknowledged,
or until its lease is over by the promoter's own clock. So either the promoter sees the host, or the
host sees the change. No lock is needed, and a host that is stopped in between holds none. Clocks
are never compared with each other; only their rates count, which may differ by 10 %.

A request looks at the lease first and at the counter second. In the other order it could look at
the counter, be suspended beyond the end of the lease, and resume when the lease has been renewed.

The steps of each process are a generator that yields the name of a step before it does it;
``WAIT``: what follows is done again, at latest after a moment. All times are in nanoseconds.
"""

from collections.abc import Callable, Generator
from typing import Protocol, TypeVar

Result = TypeVar("Result")
Steps = Generator[str, None, Result]
Clock = Callable[[], int]
"""CLOCK_BOOTTIME, which goes on while the machine is suspended and which nobody sets."""

WAIT = "wait"


class Page(Protocol):
    """What the workers of a host share. After a boot of the machine all of it is 0."""

    valid_until: int
    """When the lease ends; 0: there is none."""
    incarnation: int
    """Of the host's row that speaks for this page."""
