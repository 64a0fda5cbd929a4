"""Faulty protocols that the state machine must detect, each with one deliberate fault."""

from collections.abc import Iterable

from registry.errors import HistoryReplaced, HostNotAlone, Unavailable
from registry.hosts.promoter import Promoter, Silences
from registry.hosts.protocol import Steps
from registry.hosts.renewer import Renewer
from registry.hosts.store import Event, HostAnswer, HostStanding, HostState, Presence, Seen
from tests.unit.registry.hosts.simulated_database import SimulatedDatabase
from tests.unit.registry.hosts.simulated_hosts import Faults


class _Beats(Renewer):
    """A renewer whose beat consists of parts, which mutants order anew."""

    order = ("present", "read", "announce", "check", "extend", "acknowledge")
    began: int
    joins: bool
    moved: bool
    seen: Seen

    def beat(self) -> Steps[bool]:
        self.began = self._clock()
        self.joins = self._is_over() and not self._may_join
        self.moved = True
        for step in self.order:
            yield step
            getattr(self, f"_{step}_part")()
        return self.joins and self._may_join

    def _present_part(self) -> None:
        self._present("joining" if self.joins else "live")

    def _read_part(self) -> None:
        self.seen = self._read()
        self.moved = self.seen.last != self._acknowledged
        self._workers.prepare(self.seen.asked)
        self._workers.release(self.seen.preparing)

    def _announce_part(self) -> None:
        if self.moved:
            self._workers.announce()

    def _check_part(self) -> None:
        self._may_join = self._may_go_on()

    def _may_go_on(self) -> bool:
        return not self._is_over() or (not self.seen.asked and self._workers.are_loaded())

    def _extend_part(self) -> None:
        if self._may_join and not self.joins:
            self._page.valid_until = self._end_of_lease(self.began)

    def _acknowledge_part(self) -> None:
        if self.moved and self._clock() >= self._silent_until:
            self._store.acknowledge(self._me, self.seen.last.seq)
            self._acknowledged = self.seen.last
            self._published = self._lease


class AcknowledgesFirst(_Beats):
    order = ("present", "read", "acknowledge", "announce", "check", "extend")


class ExtendsBeforeItAnnounces(_Beats):
    order = ("present", "read", "check", "extend", "announce", "acknowledge")


class ReadsBeforeItIsPresent(_Beats):
    order = ("read", "present", "announce", "check", "extend", "acknowledge")


class CountsFromTheReply(_Beats):
    """Takes the beginning of the lease from after the database's reply."""

    def _read_part(self) -> None:
        super()._read_part()
        self.began = self._clock()


class CountsAtTheEnd(_Beats):
    """Takes the beginning of the lease when it writes the end."""

    def _extend_part(self) -> None:
        self.began = self._clock()
        super()._extend_part()


class JoinsUnasked(_Beats):
    """Renews a lease that is over before it has answered for the versions that it is to load."""

    def _may_go_on(self) -> bool:
        return not self._is_over() or self._workers.are_loaded()


class JoinsUnloaded(_Beats):
    """Joins before it has loaded what is live."""

    def _may_go_on(self) -> bool:
        return not self._is_over() or not self.seen.asked


class AnswersWhileItJoins(_Beats):
    """Begins to answer in a beat in which it said that it was joining."""

    def _extend_part(self) -> None:
        if self._may_join:
            self._page.valid_until = self._end_of_lease(self.began)


class ComparesNumbers(Renewer):
    """Notices that the database was restored only while the history is shorter than before."""

    def _read(self) -> Seen:
        known = self._acknowledged
        seen = self._store.read(self._me, None)
        if known is None:
            return seen
        if seen.last.seq < known.seq:
            self._page.valid_until = 0
            raise HistoryReplaced(seen.last.seq, known.seq)
        return seen._replace(last=known) if seen.last.seq == known.seq else seen


class KeepsItsRow(Renewer):
    """Goes on as the same incarnation where the database was restored."""

    def _read(self) -> Seen:
        try:
            return super()._read()
        except HistoryReplaced:
            self._acknowledged = None
            return super()._read()


class StaysBesideOneThatIsAlone(Renewer):
    """Goes on beside a host without a lease."""

    def _read(self) -> Seen:
        try:
            return super()._read()
        except HostNotAlone:
            return self._store.read(self._me, self._acknowledged)


class LeasesInFull(Renewer):
    """Leaves no room for clocks of different rates."""

    def _end_of_lease(self, began: int) -> int:
        return began + self._lease


class LeavesBeforeItEnds(Renewer):
    def leave(self) -> Steps[None]:
        yield "leave"
        self._store.leave(self._me)
        yield "end"
        self._page.valid_until = 0


class StaysAfterItIsReplaced(Renewer):
    """Goes on to renew where another machine has taken its row."""

    def _present(self, state: HostState) -> int:
        found = self._store.find(self._me.host)
        replaces = None if found is None else found.incarnation
        return self._store.present(self._me, state, self._published, replaces=replaces)


class AcknowledgesForAnotherMachine(Renewer):
    """Acknowledges at once after it has taken the row of a machine that may still answer."""

    def enter(self) -> Steps[None]:
        yield from super().enter()
        self._silent_until = 0


class ForgetsOfTheOtherMachine(Renewer):
    """Takes over from a renewer of its own page that had reason to be silent."""

    def enter(self) -> Steps[None]:
        found = self._store.find(self._me.host)
        own = found is not None and found.incarnation == self._page.incarnation
        yield from super().enter()
        if own:
            self._silent_until = 0


class KeepsALongerLease(Renewer):
    """Takes over a page whose lease is longer than the row will say."""

    def enter(self) -> Steps[None]:
        before = self._page.valid_until
        yield from super().enter()
        self._page.valid_until = before


class WaitsForNobody(Promoter):
    def confirm(self, patience: int) -> Steps[tuple[str, ...]]:
        yield "head"
        assert self._store.head() <= patience * self._store.head()
        return ()


class AsksBeforeTheCommit(Promoter):
    """Waits for the hosts that were there when it looked last."""

    hosts: frozenset[str] = frozenset()

    def look(self) -> None:
        rows = self._store.unacknowledged(1 << 60)
        self.hosts = frozenset(row.host for row in rows if not row.expired)

    def _need_not_wait(self, row: HostStanding, began: int) -> bool:
        return row.host not in self.hosts or super()._need_not_wait(row, began)


class CountsFromBeforeTheCommit(Promoter):
    """Counts the lease that it waits for from before the commit."""

    looked = 0

    def look(self) -> None:
        self.looked = self._clock()

    def _need_not_wait(self, row: HostStanding, began: int) -> bool:
        return super()._need_not_wait(row, min(began, self.looked))


class WaitsItsOwnLease(Promoter):
    """Takes the leases of other hosts to be as long as its own."""

    def _need_not_wait(self, row: HostStanding, began: int) -> bool:
        return super()._need_not_wait(row._replace(lease=2100), began)


class GivesUp(Promoter):
    """Answers although it could not read who has acknowledged."""

    def confirm(self, patience: int) -> Steps[tuple[str, ...]]:
        try:
            return (yield from super().confirm(patience * 0))
        except Unavailable:
            return ()


class SpeaksForAnotherMachine(Promoter):
    """Announces on its own page and takes that to be enough for its name."""

    def _speaks_for(self, row: HostStanding) -> bool:
        return self._page is not None and row.incarnation == self._page.incarnation


class IgnoresMissingAnswers(Promoter):
    """Does not wait until each host has loaded the version."""

    def _is_awaited(self, answer: HostAnswer) -> bool:
        return super()._is_awaited(answer) and answer.ready is not None


class ForgetsBeats(Silences):
    """Takes a host to be silent that was present in between."""

    def note(self, standings: Iterable[HostStanding]) -> None:
        super().note(row for row in standings if row.host not in self._since)

    def is_over(self, row: HostStanding) -> bool:
        return row.expired or self._clock() - self._since[row.host][2] >= row.lease


class ExpiresAtOnce(SimulatedDatabase):
    """Does without the second lease, which absorbs a step of the database's clock."""

    def _standing(self, host: str) -> HostStanding:
        return super()._standing(host)._replace(expired=self.hosts[host].expires < self.clock())


class CountsBeatsAnew(SimulatedDatabase):
    """Begins with the same number where the row of a host was deleted."""

    def present(
        self, me: Presence, state: HostState, lease: int, *, replaces: int | None = None
    ) -> int:
        before = self.hosts[me.host].beat if me.host in self.hosts else 0
        acknowledged = super().present(me, state, lease, replaces=replaces)
        self.hosts[me.host].beat = before + 1
        return acknowledged


class LeavesForAnotherMachine(SimulatedDatabase):
    """Deletes a row for which another machine may still answer."""

    def leave(self, me: Presence) -> None:
        if me.host in self.hosts and self.hosts[me.host].incarnation == me.incarnation:
            del self.hosts[me.host]


class CommitsWhatWasAbandoned(SimulatedDatabase):
    def promote(self, promotion: int) -> int:
        self.promotions[promotion].state = "preparing"
        return super().promote(promotion)


class CommitsWhatHasFailed(SimulatedDatabase):
    """Does not look again whether a host has failed in the meantime."""

    def promote(self, promotion: int) -> int:
        self.promotions[promotion].answers.clear()
        return super().promote(promotion)


class AsksWhoWasThere(SimulatedDatabase):
    """Shows a promotion only to the hosts that were there when it began."""

    def __init__(self, clock: object) -> None:
        super().__init__(clock)
        self.there: dict[int, set[str]] = {}

    def ask(self, model: str, number: int, host: str, incarnation: int) -> int:
        id_ = super().ask(model, number, host, incarnation)
        self.there[id_] = {name for name, row in self.hosts.items() if row.state == "live"}
        return id_

    def read(self, me: Presence, known: Event | None) -> Seen:
        seen = super().read(me, known)
        asked = tuple(one for one in seen.asked if me.host in self.there[one.promotion])
        return seen._replace(asked=asked)


NONE: frozenset[str] = frozenset()
"""Nothing but changes, beats, and processes that stand still."""

MUTANTS: dict[str, tuple[Faults, Iterable[str]]] = {
    "acknowledges before it announces": (Faults(renewer=AcknowledgesFirst), NONE),
    "extends before it announces": (Faults(renewer=ExtendsBeforeItAnnounces), NONE),
    "reads before it is present": (Faults(renewer=ReadsBeforeItIsPresent), NONE),
    "counts the lease from the reply": (Faults(renewer=CountsFromTheReply), NONE),
    "counts the lease from its end": (Faults(renewer=CountsAtTheEnd), NONE),
    "joins before it has answered": (Faults(renewer=JoinsUnasked), {"promote"}),
    "joins before it has loaded": (Faults(renewer=JoinsUnloaded), {"promote"}),
    "answers while it joins": (Faults(renewer=AnswersWhileItJoins), {"promote", "stop"}),
    "compares numbers only": (Faults(renewer=ComparesNumbers), {"restore"}),
    "keeps its row": (Faults(renewer=KeepsItsRow), {"restore"}),
    "stays beside one that is alone": (Faults(renewer=StaysBesideOneThatIsAlone), {"alone"}),
    "looks before it notes that it is alone": (Faults(notes_before_it_looks=False), {"alone"}),
    "leases in full": (Faults(renewer=LeasesInFull), NONE),
    "leaves before it ends": (Faults(renewer=LeavesBeforeItEnds), {"leave"}),
    "leaves for another machine": (
        Faults(database=LeavesForAnotherMachine),
        {"move", "leave", "replace"},
    ),
    "stays after it is replaced": (Faults(renewer=StaysAfterItIsReplaced), {"move"}),
    "acknowledges for another machine": (
        Faults(renewer=AcknowledgesForAnotherMachine),
        {"move"},
    ),
    "forgets of the other machine": (
        Faults(renewer=ForgetsOfTheOtherMachine),
        {"move", "replace"},
    ),
    "keeps a longer lease": (Faults(renewer=KeepsALongerLease), {"long lease", "replace"}),
    "waits for nobody": (Faults(promoter=WaitsForNobody), NONE),
    "asks before the commit": (Faults(promoter=AsksBeforeTheCommit), NONE),
    "counts from before the commit": (Faults(promoter=CountsFromBeforeTheCommit), NONE),
    "waits its own lease": (Faults(promoter=WaitsItsOwnLease), {"long lease"}),
    "gives up": (Faults(promoter=GivesUp), {"fate"}),
    "speaks for another machine": (Faults(promoter=SpeaksForAnotherMachine), {"move"}),
    "ignores missing answers": (Faults(promoter=IgnoresMissingAnswers), {"promote"}),
    "forgets beats": (Faults(silences=ForgetsBeats), NONE),
    "expires at once": (Faults(database=ExpiresAtOnce), {"set the database's clock"}),
    "counts beats anew": (Faults(database=CountsBeatsAnew), {"lose"}),
    "commits what was abandoned": (
        Faults(database=CommitsWhatWasAbandoned),
        {"promote", "abandon"},
    ),
    "commits what has failed": (Faults(database=CommitsWhatHasFailed), {"promote"}),
    "asks who was there": (Faults(database=AsksWhoWasThere), {"promote"}),
    "does not wait on replays": (Faults(waits_before_replays=False), {"replay"}),
    "looks at no lease": (Faults(looks_at_lease=False), NONE),
    "looks at the counter first": (Faults(looks_at_counter_first=True), {"request"}),
    "reads a clock that is set": (Faults(clock_is_set=True), {"set a clock"}),
    "keeps its page over a life": (Faults(page_outlives_life=True), {"stop", "boot"}),
}
"""Each with the events that it takes to see the fault."""
