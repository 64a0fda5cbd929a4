"""Machines with workers, clocks and the processes of the protocol, all of which stand still until a
test lets one of them do its next step."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count

from registry.errors import (
    HistoryReplaced,
    HostNotAlone,
    HostReplaced,
    PromotionAbandoned,
    Unavailable,
    VersionNotLoadable,
)
from registry.hosts.promoter import Promoter, Silences
from registry.hosts.protocol import WAIT
from registry.hosts.renewer import Renewer, answer_asked
from registry.hosts.store import Asked, Event, Presence
from tests.unit.registry.hosts.simulated_database import Line, SimulatedDatabase

LEASE = 2100
"""As long as 100 units of time by a clock of rate 21. Clocks have rates from 20 to 22."""
RATE = 21
PATIENCE = 3 * LEASE

Process = Iterator[str]
NOTHING = Event(-1, "")


@dataclass
class Worker:
    """What one worker of a host has read: the counter before, and the last event."""

    counter: int = -1
    event: Event = NOTHING


@dataclass
class Page:
    """The mapped page, and the boot of the machine in which it was written last."""

    counter: int = 0
    valid_until: int = 0
    incarnation: int = 0
    boot: int = 0


@dataclass(frozen=True)
class Faults:
    """Parts of the protocol, of which a mutant replaces one."""

    renewer: type[Renewer] = Renewer
    promoter: type[Promoter] = Promoter
    silences: type[Silences] = Silences
    database: type[SimulatedDatabase] = SimulatedDatabase
    looks_at_counter_first: bool = False
    looks_at_lease: bool = True
    waits_before_replays: bool = True
    notes_before_it_looks: bool = True
    clock_is_set: bool = False
    page_outlives_life: bool = False


class Machine:
    """A host: its page, its workers, and its renewer if one runs."""

    def __init__(
        self, world: "World", name: str, rate: int, *, lease: int = LEASE, serves: bool = False
    ) -> None:
        self.world = world
        self.name = name
        self.rate = rate
        self.lease = lease
        self.serves = serves
        self.boot = 1
        self.booted = world.now
        self.set_by = 0
        self.line = Line(world.database)
        self.page = Page(boot=1)
        self.workers = [Worker(), Worker()]
        self.renewing: Process | None = None
        self.processes: list[Process] = []
        self.preparing: set[int] = set()
        self.loading: Process | None = None
        self.beside: list[Process] = []
        self.tried = {0}
        self.read = world.database.last()
        self.at = WAIT
        self.incarnations: set[int] = set()
        self.is_on = True
        self.start_process()

    def clock(self) -> int:
        passed = (self.world.now - self.booted) * self.rate
        return passed + (self.set_by if self.world.faults.clock_is_set else 0)

    def is_over(self) -> bool:
        return self.world.faults.looks_at_lease and self.clock() >= self.page.valid_until

    # What the renewer demands of the workers

    def announce(self) -> None:
        self.page.counter += 1

    def prepare(self, asked: Iterable[Asked]) -> None:
        for one in asked:
            if one.promotion not in self.preparing:
                self.preparing.add(one.promotion)
                self.processes.append(self._answering(self.me, one))
                self.beside.append(self.processes[-1])

    def release(self, preparing: frozenset[int]) -> None:
        self.preparing &= preparing

    def are_loaded(self) -> bool:
        worker = self.workers[0]
        if worker.counter != self.page.counter:
            self.refresh(worker)
        number = self.world.numbers_of[worker.event]
        if number in self.tried:
            return True
        if self.loading not in self.processes:
            self.loading = self._loading(number)
            self.processes.append(self.loading)
            self.beside.append(self.loading)
        return False

    def begun(self) -> list[Process]:
        """What the renewer has begun beside itself and has not ended."""
        self.beside = [process for process in self.beside if process in self.processes]
        return self.beside

    def refresh(self, worker: Worker) -> None:
        counter = self.page.counter
        worker.event, worker.counter = self.line.last(), counter

    def load(self, _: str, number: int) -> str | None:
        self.tried.add(number)
        return "is unable" if self.is_unable(number) else None

    def is_there(self) -> bool:
        """Whether no other machine has taken its name; one that has been replaced answers until its
        lease ends, before which no promotion is answered."""
        row = self.world.database.hosts.get(self.name)
        return row is not None and row.incarnation in self.incarnations

    def is_unable(self, number: int) -> bool:
        return self.name in self.world.unable.get(number, ())

    # Processes

    def start_process(self) -> None:
        """Start the renewer of a worker, which maps the page first."""
        if self.page.boot != self.boot and not self.world.faults.page_outlives_life:
            self.page.valid_until = self.page.incarnation = 0
        self.page.boot = self.boot
        self.promoter = self._promoter()
        self.make_renewer()
        self.renewing = self._renewing()

    def make_renewer(self) -> None:
        """Begin another incarnation."""
        self.me = Presence(self.name, next(self.world.incarnations), "1.0", 2)
        self.incarnations.add(self.me.incarnation)
        self.preparing.clear()
        self.renewer = self.world.faults.renewer(
            self.line,
            self.me,
            page=self.page,
            clock=self.clock,
            workers=self,
            lease=self.lease,
        )

    def end_process(self) -> None:
        """Kill the worker that renews; what it was doing besides ends with it."""
        self.renewing = None
        self.processes.clear()
        self.preparing.clear()

    def stop(self) -> None:
        """Kill all workers."""
        self.end_process()
        self.is_on = False
        self.workers = [Worker(), Worker()]
        self.tried = {0}

    def start(self, *, boots: bool) -> None:
        if boots:
            self.boot += 1
            self.booted = self.world.now
        self.is_on = True
        if not self.world.faults.page_outlives_life:
            self.page.valid_until = 0  # as its first worker does, by HostLife
        self.start_process()

    def step(self, process: Process, fate: str = "well") -> str | None:
        """Let ``process`` do its next step; the name of that which follows, or None at its end."""
        renews, at, was_over = process is self.renewing, self.at, self.is_over()
        self.line.fate = fate
        name = next(process, None)
        self.line.fate = "well"
        if renews:
            self.at = name or WAIT
            if at == "read":
                self.read = self.world.database.last()
            if was_over and not self.is_over():
                self._check_is_loaded()
        if name is None and renews:
            self.renewing = None
        elif name is None and process in self.processes:
            self.processes.remove(process)
        return name

    def run(self, process: Process, steps: int = 40, fate: str = "well") -> None:
        """Let ``process`` do so many steps, unless it waits before; the last has the ``fate``."""
        for _ in range(steps - 1):
            if self.step(process) in {WAIT, None}:
                return
        self.step(process, fate)

    def _check_is_loaded(self) -> None:
        if not self.world.database.contains(self.read):
            return  # of a history that was lost since
        live = self.world.database.live[self.read.seq :]
        if not self.tried.intersection(live):
            raise AssertionError(f"host {self.name} joined before it had loaded what is live")

    def _promoter(self) -> Promoter:
        silences = self.world.faults.silences(self.clock)
        return self.world.faults.promoter(
            self.line, self.name, page=self.page, clock=self.clock, silences=silences
        )

    def _renewing(self) -> Process:
        entered = False
        while True:
            try:
                if not entered:
                    yield from self.renewer.enter()
                    entered = True
                yield from self.renewer.beat()
            except Unavailable:
                pass
            except HostReplaced:
                return
            except HistoryReplaced:
                self.make_renewer()
                entered = False
            except HostNotAlone:
                yield from self._leaving()
                self.make_renewer()
                entered = False
            yield WAIT

    def _answering(self, me: Presence, asked: Asked) -> Process:
        try:
            yield from answer_asked(self.line, me, asked, self.load)
        except Unavailable:
            self.preparing.discard(asked.promotion)

    def _loading(self, number: int) -> Process:
        yield "load"
        self.load("model", number)

    def leaving(self) -> Process:
        self.renewing = None
        yield from self._leaving()

    def _leaving(self) -> Process:
        try:
            yield from self.renewer.leave()
        except Unavailable:
            return

    def changing(self) -> Process:
        """A change for which nothing is prepared: a rollback to what all hosts have loaded."""
        yield from self._committing(lambda: self.world.database.change(0))

    def promoting(self, number: int) -> Process:
        yield "load"
        if self.load("model", number) is not None:
            return
        try:
            promotion = yield from self.promoter.prepare("model", number, PATIENCE)
            yield from self._committing(lambda: self._promote(promotion, number))
        except (Unavailable, VersionNotLoadable, PromotionAbandoned):
            return

    def _promote(self, promotion: int, number: int) -> Event:
        event = self.world.database.promote(promotion)
        for machine in self.world.machines:
            if not machine.is_over() and machine.is_there() and machine.is_unable(number):
                raise AssertionError(f"promoted although host {machine.name} cannot load it")
        return event

    def _committing(self, commit: Callable[[], Event]) -> Process:
        if hasattr(self.promoter, "look"):  # some mutants look too early
            yield "look"
            self.promoter.look()
        yield "commit"
        event = commit()
        self.world.committed(event)
        yield "announce"
        self.announce()
        try:
            unconfirmed = yield from self.promoter.confirm(PATIENCE)
        except Unavailable:
            return
        yield "reply"
        self.world.answer(event, unconfirmed)

    def replaying(self, event: Event) -> Process:
        """A client repeats a request whose first process may have died after the commit."""
        yield "announce"
        self.announce()
        unconfirmed: tuple[str, ...] = ()
        if self.world.faults.waits_before_replays:
            try:
                unconfirmed = yield from self.promoter.confirm(PATIENCE)
            except Unavailable:
                return
        yield "reply"
        self.world.answer(event, unconfirmed)

    def requesting(self, worker: Worker) -> Process:
        """A prediction. It looks at the lease, then at the counter."""
        answered = len(self.world.answered)
        if self.world.faults.looks_at_counter_first:
            yield "counter"
            current = worker.counter == self.page.counter
            yield "lease"
            over = self.is_over()
        else:
            yield "lease"
            over = self.is_over()
            yield "counter"
            current = worker.counter == self.page.counter
        if over and not (self.serves and self.page.valid_until):
            return
        if not current:
            yield "refresh"
            try:
                self.refresh(worker)
            except Unavailable:
                return
        self.world.check(self, worker.event, over=over, answered=answered)


class Alone:
    """A host without a lease, which waits for nobody. It does not go on after a restore, in which
    what it has noted may be lost until it notes it again."""

    def __init__(self, world: "World") -> None:
        self.world = world

    def starting(self) -> Process:
        for step in (
            ("note", "look") if self.world.faults.notes_before_it_looks else ("look", "note")
        ):
            yield step
            if step == "note":
                self.world.database.alone = True
            elif self.world.database.is_shared():
                self.world.database.alone = False
                return
        yield "change"
        event = self.world.database.change(0)
        self.world.committed(event)
        self.world.answer(event, ())
        yield "stop"
        self.world.database.alone = False


class World:
    """All machines, their database, and the changes that were answered."""

    def __init__(self, faults: Faults = Faults(), *, database_rate: int = RATE) -> None:
        self.faults = faults
        self.now = 0
        self.database_set_by = 0
        self.database = faults.database(lambda: self.now * database_rate + self.database_set_by)
        self.incarnations = count(1)
        self.numbers = count(1)
        self.machines: list[Machine] = []
        self.alone: Process | None = None
        self.unable: dict[int, frozenset[str]] = {}
        self.numbers_of = {self.database.last(): 0}
        """The version that was live after each event, also of histories that were lost."""
        self.ends: dict[Event, int] = {}
        """After which event the history goes on differently that had this event."""
        self.unanswered: list[Event] = []
        self.answered: list[tuple[Event, tuple[str, ...]]] = []

    def run_alone(self, steps: int) -> None:
        """Let the host without a lease do so many steps, or end."""
        for _ in range(steps):
            if self.alone is not None and next(self.alone, None) is None:
                self.alone = None

    def committed(self, event: Event) -> None:
        self.numbers_of[event] = self.database.live[-1]
        self.unanswered.append(event)

    def answer(self, event: Event, unconfirmed: tuple[str, ...]) -> None:
        self.answered.append((event, unconfirmed))

    def restore(self, events: int, rows: str) -> None:
        """Lose the last ``events``; nobody expects any more that they hold."""
        self.database.restore(events, rows)
        self.alone, self.database.alone = None, False
        kept = self.database.contains
        for event in self.numbers_of:
            if not kept(event):
                last = self.ends.get(event, event.seq)
                self.ends[event] = min(last, self.database.head())
        self.unanswered = [event for event in self.unanswered if kept(event)]

    def check(
        self, machine: Machine, event: Event, *, over: bool, answered: int | None = None
    ) -> None:
        """Check a reply to a request that began when so many changes had been answered."""
        seq = self.ends.get(event, event.seq)
        for changed, unconfirmed in self.answered[:answered]:
            if seq >= changed.seq or (over and machine.name in unconfirmed):
                continue
            if self.database.contains(changed):
                raise AssertionError(
                    f"host {machine.name} answered as of event {seq}, {changed.seq} was answered"
                )
