"""What a host does to be allowed to answer: it joins, renews its lease, and leaves."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from registry.errors import HistoryReplaced, HostNotAlone, HostReplaced
from registry.hosts.protocol import Clock, Page, Steps
from registry.hosts.store import Asked, Event, HostStanding, HostState, HostStore, Presence, Seen


class Workers(Protocol):
    """The workers of this host."""

    def announce(self) -> None:
        """Raise the shared counter."""

    def prepare(self, asked: Iterable[Asked]) -> None:
        """Begin to load these versions elsewhere, unless that has begun, as ``answer_asked``."""

    def release(self, preparing: frozenset[int]) -> None:
        """Release the versions that were loaded for other promotions than these."""

    def are_loaded(self) -> bool:
        """Whether each version that an alias points at is loaded, or cannot be. Reads the database
        if the counter has changed."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The row that a renewer takes over, and the incarnation on the page of its host."""

    row: HostStanding | None
    on_page: int

    @property
    def incarnation(self) -> int | None:
        return None if self.row is None else self.row.incarnation

    @property
    def is_elsewhere(self) -> bool:
        """Whether workers may answer that do not see this page: those of the row, or of an earlier
        one that it took over without having acknowledged anything since."""
        row = self.row
        return row is not None and (row.incarnation != self.on_page or not row.acknowledged)


class Renewer:
    """Keeps the lease of a host. One process of the host has it at a time, by a lock on a file."""

    def __init__(
        self,
        store: HostStore,
        me: Presence,
        *,
        page: Page,
        clock: Clock,
        workers: Workers,
        lease: int,
    ) -> None:
        self._store = store
        self._me = me
        self._page = page
        self._clock = clock
        self._workers = workers
        self._lease = lease
        self._found: _Found | None = None
        self._silent_until = 0
        self._published = lease
        self._acknowledged: Event | None = None
        self._may_join = False

    def enter(self) -> Steps[None]:
        """Take over the row of the host. To be repeated where it raises Unavailable.

        Another machine may have the same name and its own page, which nothing here can raise. Then
        nothing is acknowledged until the lease of that machine is over, and promoters wait as long.

        Raises HostReplaced; HostNotAlone, before the row is written; Unavailable.
        """
        page, me = self._page, self._me
        yield "look"
        self._read()
        if self._found is None:
            yield "find"
            self._found = _Found(self._store.find(me.host), page.incarnation)
        found = self._found
        if found.is_elsewhere and found.row is not None:
            self._published = max(self._lease, found.row.lease)
        yield "adopt"
        # An earlier process may have had a longer lease, of which the row will no longer tell.
        page.valid_until = min(page.valid_until, self._end_of_lease(self._clock()))
        page.incarnation = me.incarnation
        yield "enter"
        state: HostState = "joining" if self._is_over() else "live"
        self._store.present(me, state, self._published, replaces=found.incarnation)
        if found.is_elsewhere:
            self._silent_until = self._clock() + self._published
        yield "forget"
        self._store.forget_lost()

    def beat(self) -> Steps[bool]:
        """Renew the lease; whether the next beat is to follow at once.

        A host whose lease is over joins: it is given one only when it has answered for each version
        that it is requested to load, and has loaded all that is live.

        Raises HostReplaced, after which this host must not go on; HistoryReplaced, after which it
        has to enter as another incarnation; HostNotAlone, after which it has to leave, so that the
        other host finds it gone, and to enter as another incarnation; Unavailable.
        """
        began = self._clock()
        joins = self._is_over() and not self._may_join
        yield "present"
        acknowledged = self._present("joining" if joins else "live")
        yield "read"
        seen = self._read()
        moved = seen.last != self._acknowledged
        if moved:
            yield "announce"
            self._workers.announce()
        self._workers.prepare(seen.asked)
        self._workers.release(seen.preparing)
        yield "check"
        self._may_join = not self._is_over() or (not seen.asked and self._workers.are_loaded())
        if self._may_join and not joins:
            yield "extend"
            self._page.valid_until = self._end_of_lease(began)
        # Also where nothing has changed: the row may have been deleted, of a host that was lost or
        # that somebody had forgotten.
        moved = moved or acknowledged < seen.last.seq
        if moved and self._clock() >= self._silent_until:
            yield "acknowledge"
            self._store.acknowledge(self._me, seen.last.seq)
            self._acknowledged = seen.last
            self._published = self._lease
        return joins and self._may_join

    def leave(self) -> Steps[None]:
        """End the lease, then delete the row of the host. Requests in progress go on: they began
        before. Raises Unavailable.
        """
        yield "end"
        self._page.valid_until = 0
        yield "leave"
        self._store.leave(self._me)

    def _present(self, state: HostState) -> int:
        try:
            return self._store.present(self._me, state, self._published)
        except HostReplaced:
            self._page.valid_until = 0
            with suppress(HostNotAlone):  # it must not enter again
                # The row may be one of an earlier life, and the database a restored one.
                self._read()
            raise

    def _read(self) -> Seen:
        """What the store reads.

        Raises HistoryReplaced where an event is lost that this host has acknowledged. A transaction
        that began before may have noted that in the restored row, so nothing is to be acknowledged
        as this incarnation any more. Raises HostNotAlone beside a host without a lease: it notes
        that it is there before it looks for others, so one of the two sees the other."""
        known = self._acknowledged
        seen = self._store.read(self._me, known)
        if seen.alone is not None:
            self._page.valid_until = 0
            self._workers.release(frozenset())
            raise HostNotAlone.beside(seen.alone)
        if known is not None and not seen.follows:
            self._page.valid_until = 0
            self._workers.release(frozenset())
            raise HistoryReplaced(seen.last.seq, known.seq)
        return seen

    def _is_over(self) -> bool:
        return self._clock() >= self._page.valid_until

    def _end_of_lease(self, began: int) -> int:
        return began + self._lease * 9 // 10


def answer_asked(
    store: HostStore, me: Presence, asked: Asked, load: Callable[[str, int], str | None]
) -> Steps[None]:
    """Load a version that this host is requested to load, and answer. ``load`` returns the fault.

    Raises Unavailable; the next beat then finds that it was not answered.
    """
    yield "load"
    fault = load(asked.model, asked.number)
    yield "answer"
    store.answer(asked.promotion, me, fault)
