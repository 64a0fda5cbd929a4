"""A request looks at the lease of its host first, and at the counter second."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from registry.errors import LeaseOver
from registry.live.lease import VALID_UNTIL, Lease
from registry.live.leased_watch import LeasedWatch

CALLER = "Bearer secret", "iris", "production"
ENDLESS = 2**63


class Page(list):
    """What workers share. ``suspended`` is called once, after the first item that is read."""

    suspended = None

    def __getitem__(self, index):
        item = super().__getitem__(index)
        suspended, self.suspended = self.suspended, None
        if suspended is not None:
            suspended()
        return item


class FakeCounter:
    def __init__(self):
        self.view = Page([0] * 4)

    @property
    def value(self):
        return self.view[0]

    def locked(self):
        return nullcontext()


class Pool:
    """Has loaded nothing."""

    loaded = {}
    publishing = None


@pytest.fixture
def worker():
    """The watch of a worker that has read the database and answered ``CALLER``, and its page."""
    counter = FakeCounter()
    lease = Lease(counter)
    counter.view[0] = -1  # the value that a new watch has
    watch = LeasedWatch(None, counter, Pool(), None, lease=lease)
    watch.admission_cache().versions[CALLER] = SimpleNamespace(last_used=0.0)
    return watch, counter.view


def come_back(page):
    """The host was cut off and has come back: its renewer has found a change."""

    def found():
        page[0] += 1
        page[VALID_UNTIL] = ENDLESS

    return found


def test_a_request_with_a_lease_is_answered_by_what_was_read(worker):
    watch, page = worker
    page[VALID_UNTIL] = ENDLESS

    assert watch.cached(CALLER) is not None
    assert watch.snapshot() is watch.last_snapshot


def test_a_request_without_a_lease_is_refused(worker):
    watch, _ = worker

    assert watch.cached(CALLER) is None
    with pytest.raises(LeaseOver):
        watch.snapshot()


def test_a_repeated_request_that_is_suspended_before_the_lease_is_renewed_is_not_answered(worker):
    watch, page = worker
    page.suspended = come_back(page)

    assert watch.cached(CALLER) is None


def test_a_request_that_is_suspended_before_the_lease_is_renewed_is_refused(worker):
    watch, page = worker
    page.suspended = come_back(page)

    with pytest.raises(LeaseOver):
        watch.snapshot()
