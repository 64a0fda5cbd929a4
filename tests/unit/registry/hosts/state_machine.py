"""Random schedules of everything that hosts do, with what the protocol promises checked after each
step."""

from collections.abc import Callable
from itertools import product

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.unit.registry.hosts.simulated_hosts import (
    LEASE,
    RATE,
    Alone,
    Faults,
    Machine,
    Process,
    World,
)

STEPS = (1, 2, 3, 4, 5, 40)
"""How many steps a process does; with the last of them it ends, or waits for others."""
FATES = ("well", "well", "well", "lost", "unanswered")
ANY = st.integers(0, 5)
# One choice is drawn several times as fast as its parts.
PARTS = st.sampled_from(list(product(range(4), STEPS, FATES)))
STARTS = st.sampled_from(list(product(range(4), STEPS)))
ENDS = st.sampled_from(list(product(range(4), range(16))))
"""A machine, and the machines that stand still, as bits."""
PAUSES = ((0, 0), (210, 0), (0, 100))
"""Before a change begins, and after."""
SUSPENSIONS = st.sampled_from(list(product(range(4), STEPS, PAUSES, (1, 2, 40), (False, True))))
PROMOTIONS = st.sampled_from(
    list(
        product(range(4), (4, 5), (0, 210), (1, 2, 3), ("", "a", "b"), (False, True), (False, True))
    )
)
UNABLE = st.sampled_from(["", "a", "b"])
FAILING = st.sampled_from([0, 0, 4, 5, 6])
"""The step of a change whose call of the database fails; 0: none."""
SPANS = st.sampled_from([1, 24, 96, 210])
"""A lease is 100 of these by a clock of the usual rate."""
LOST = 440
"""After which a host has expired, also with the longer lease."""
RESTORED = 216
"""More than the longer lease by the slowest clock: so long nothing is changed after a restore."""
RESTORES = st.sampled_from(
    list(product((1, 2, 3), ("new", "old", "none"), range(16), (0, 1, 2, 3), (False, True)))
)
ALONE = st.sampled_from(list(product(range(4), range(7), range(5), (0, 1, 2), (False, True))))
RATES = st.integers(20, 22)
EVENTS = frozenset(
    {
        *("promote", "request", "replay", "third host", "long lease", "without lease", "fate"),
        *("replace", "stop", "boot", "leave", "move", "forget", "lose", "abandon"),
        *("set the database's clock", "set a clock", "restore", "alone"),
    }
)
"""What may happen besides changes, beats, and processes that stand still."""


def may(event: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A rule of this event."""
    return precondition(lambda self: event in self.events)


class Hosts(RuleBasedStateMachine):
    """Any process may stand still for any time; each step is atomic."""

    faults = Faults()
    events = EVENTS

    @initialize(rates=st.lists(RATES, min_size=4, max_size=4), more=st.integers(0, 63))
    def begin(self, rates: list[int], more: int) -> None:
        self.world = World(self.faults, database_rate=rates[3])
        for i, name in enumerate("abc" if "third host" in self.events and more & 32 else "ab"):
            long = "long lease" in self.events and more & 1 << i
            serves = "without lease" in self.events and more >> 3 & 3 == i
            machine = Machine(
                self.world, name, rates[i], lease=2 * LEASE if long else LEASE, serves=serves
            )
            self.world.machines.append(machine)
            for _ in range(4):
                self.beat(machine)

    def machine(self, which: int) -> Machine:
        return self.world.machines[which % len(self.world.machines)]

    @staticmethod
    def beat(machine: Machine, *, loads: bool = True) -> None:
        """A whole beat; ``loads``: and the versions are loaded that it asks for."""
        if machine.renewing is not None:
            machine.run(machine.renewing)
        for process in machine.begun() if loads else ():
            machine.run(process)

    def begin_on(self, start: tuple[int, int], begin: Callable[[Machine], Process]) -> None:
        which, steps = start
        machine = self.machine(which)
        if machine.is_on:
            process = begin(machine)
            machine.processes.append(process)
            machine.run(process, steps)

    @rule(which=ANY)
    def renew(self, which: int) -> None:
        self.beat(self.machine(which))

    @rule(part=PARTS)
    def renew_in_part(self, part: tuple[int, int, str]) -> None:
        """One renewer does a few steps, of which the last may fail."""
        which, steps, fate = part
        machine = self.machine(which)
        if machine.renewing is not None:
            machine.run(machine.renewing, steps, fate if "fate" in self.events else "well")

    @rule(suspension=SUSPENSIONS)
    def suspend_a_beat(self, suspension: tuple[int, int, tuple[int, int], int, bool]) -> None:
        """A renewer is suspended in a beat, while a change is made that may have begun before."""
        which, steps, pauses, before, resumed = suspension
        machine, other = self.machine(which), self.machine(which + 1)
        if machine.renewing is None or not other.is_on:
            return
        self.world.now += pauses[0]
        process = other.changing()
        other.processes.append(process)
        other.run(process, before)
        self.world.now += pauses[1]
        machine.run(machine.renewing, steps)
        self.finish(other, process, still=15)
        if resumed and machine.renewing is not None:
            machine.run(machine.renewing)

    @rule(part=PARTS)
    def go_on(self, part: tuple[int, int, str]) -> None:
        """Another process does a few steps, of which the last may fail."""
        which, steps, fate = part
        processes = [
            (machine, process) for machine in self.world.machines for process in machine.processes
        ]
        if processes:
            machine, process = processes[which % len(processes)]
            machine.run(process, steps, fate if "fate" in self.events else "well")

    @rule(span=SPANS)
    def wait(self, span: int) -> None:
        self.world.now += span

    @rule(start=STARTS)
    def change(self, start: tuple[int, int]) -> None:
        self.begin_on(start, lambda machine: machine.changing())

    @rule(end=ENDS, failing=FAILING)
    def change_to_the_end(self, end: tuple[int, int], failing: int) -> None:
        self.to_the_end(end, lambda machine: machine.changing(), failing)

    def to_the_end(
        self, end: tuple[int, int], begin: Callable[[Machine], Process], failing: int = 0
    ) -> None:
        which, still = end
        machine = self.machine(which)
        if machine.is_on:
            process = begin(machine)
            machine.processes.append(process)
            if failing and "fate" in self.events:
                machine.run(process, failing, "lost")
            self.finish(machine, process, still)

    def finish(self, machine: Machine, process: Process, still: int) -> None:
        """A process waits for the other machines, some of which stand still."""
        for _ in range(12):
            machine.run(process)
            if process not in machine.processes:
                return
            for bit, other in enumerate(self.world.machines):
                if not still & 1 << bit:
                    self.beat(other)
            self.world.now += 24

    @may("promote")
    @rule(start=STARTS, unable=UNABLE)
    def promote(self, start: tuple[int, int], unable: str) -> None:
        number = self.number(unable)
        self.begin_on(start, lambda machine: machine.promoting(number))

    @may("promote")
    @rule(end=ENDS, unable=UNABLE)
    def promote_to_the_end(self, end: tuple[int, int], unable: str) -> None:
        number = self.number(unable)
        self.to_the_end(end, lambda machine: machine.promoting(number))

    @may("promote")
    @rule(promotion=PROMOTIONS)
    def suspend_a_promotion(self, promotion: tuple[int, int, int, int, str, bool, bool]) -> None:
        """A promotion is suspended while another host renews its lease or joins."""
        which, steps, pause, beats, unable, loads, abandoned = promotion
        machine, other = self.machine(which), self.machine(which + 1)
        if not machine.is_on:
            return
        self.world.now += pause
        process = machine.promoting(self.number(unable))
        machine.processes.append(process)
        machine.run(process, steps)
        if abandoned and "abandon" in self.events:
            self.abandon()
        for _ in range(beats):
            self.beat(other, loads=loads)
        self.finish(machine, process, still=15)

    def number(self, unable: str) -> int:
        """Of a new version that these hosts cannot load."""
        number = next(self.world.numbers)
        self.world.unable[number] = frozenset(unable)
        return number

    @may("replay")
    @precondition(lambda self: self.world.unanswered)
    @rule(start=STARTS, change=ANY)
    def replay(self, start: tuple[int, int], change: int) -> None:
        event = self.world.unanswered[-1 - change % len(self.world.unanswered)]
        self.begin_on(start, lambda machine: machine.replaying(event))

    @may("request")
    @rule(start=STARTS, worker=st.integers(0, 1))
    def request(self, start: tuple[int, int], worker: int) -> None:
        self.begin_on(start, lambda machine: machine.requesting(machine.workers[worker]))

    @may("request")
    @rule(suspension=st.sampled_from(list(product(range(4), range(2), (1, 2, 3)))))
    def suspend_a_request(self, suspension: tuple[int, int, int]) -> None:
        """A request, which begins after a change, is suspended while its host renews its lease."""
        which, worker, steps = suspension
        machine, other = self.machine(which), self.machine(which + 1)
        if not (machine.is_on and other.is_on):
            return
        self.to_the_end((which + 1, 15), lambda machine: machine.changing())
        request = machine.requesting(machine.workers[worker])
        machine.processes.append(request)
        machine.run(request, steps)
        if machine.renewing is not None:
            machine.run(machine.renewing)
        if request in machine.processes:
            machine.run(request)

    @may("replace")
    @rule(which=ANY, long=st.booleans(), steps=st.integers(0, 7), changes=st.booleans())
    def replace_renewer(self, which: int, steps: int, *, long: bool, changes: bool) -> None:
        """Its worker is killed and another takes over, maybe with another setting. ``changes``:
        another host makes a change before the new one has ended its first beat."""
        machine = self.machine(which)
        if machine.is_on:
            machine.end_process()
            machine.lease = 2 * LEASE if long and "long lease" in self.events else LEASE
            machine.start_process()
            if machine.renewing is not None and steps:
                machine.run(machine.renewing, steps)
            if changes:
                self.change_to_the_end((which + 1, 15), 0)

    @may("stop")
    @rule(which=ANY, boots=st.booleans(), again=st.booleans())
    def stop_or_start(self, which: int, *, boots: bool, again: bool) -> None:
        """``again``: both, and each worker answers a request, for which it reads the database."""
        machine = self.machine(which)
        if machine.is_on:
            machine.stop()
            if not again:
                return
        machine.start(boots=boots and "boot" in self.events)
        for worker in machine.workers if again else ():
            request = machine.requesting(worker)
            machine.processes.append(request)
            machine.run(request)

    @may("leave")
    @rule(start=STARTS, changes=st.booleans())
    def leave(self, start: tuple[int, int], *, changes: bool) -> None:
        """``changes``: another host makes a change meanwhile."""
        if self.machine(start[0]).renewing is not None:
            self.begin_on(start, lambda machine: machine.leaving())
            if changes:
                self.change_to_the_end((start[0] + 1, 0), 0)

    @may("move")
    @precondition(lambda self: len(self.world.machines) < 4)
    @rule(
        which=ANY,
        beats=st.integers(0, 4),
        replaced=st.booleans(),
        changes=st.booleans(),
        leaves=st.booleans(),
    )
    def move(self, which: int, beats: int, *, replaced: bool, changes: bool, leaves: bool) -> None:
        """Start another machine with the name of one that may go on; ``changes``: and make a change
        there."""
        known = self.machine(which)
        known.serves = False  # Nobody could tell such a host that it is no longer the one.
        machine = Machine(self.world, known.name, known.rate)
        self.world.machines.append(machine)
        for _ in range(beats):
            self.beat(machine)
        if replaced and "replace" in self.events:
            last = len(self.world.machines) - 1
            self.replace_renewer(last, 0, long=False, changes=False)
            self.beat(machine)
        if changes:
            self.change_to_the_end((len(self.world.machines) - 1, 0), 0)
        if leaves and "leave" in self.events:
            self.leave((len(self.world.machines) - 1, 40), changes=False)

    @may("forget")
    @rule(which=ANY)
    def forget(self, which: int) -> None:
        """The operator knows that a host is stopped, and so is every other of that name."""
        name = self.machine(which).name
        if name in self.world.database.hosts and not any(
            machine.is_on for machine in self.world.machines if machine.name == name
        ):
            self.world.database.forget(name)

    @may("lose")
    @rule(which=ANY, steps=st.integers(0, 6), beats=st.integers(0, 4))
    def lose(self, which: int, steps: int, beats: int) -> None:
        """A host stands still, maybe in a beat, until its row is deleted, and goes on."""
        machine = self.machine(which)
        # One that serves without a lease is not named any more when its row is deleted.
        if any(one.is_on and one.serves for one in self.world.machines if one.name == machine.name):
            return
        if machine.renewing is not None and steps:
            machine.run(machine.renewing, steps)
        self.world.now += LOST
        self.world.database.forget_if_lost(machine.name)
        for _ in range(beats):
            self.beat(machine)

    @may("alone")
    @rule(alone=ALONE)
    def start_alone(self, alone: tuple[int, int, int, int, bool]) -> None:
        """A host without a lease starts when the others have expired. One of them, which may have
        stood still in a beat, goes on after some of its steps; ``stops``: it stops after its
        change."""
        which, steps, before, beats, stops = alone
        machine = self.machine(which)
        # Nobody could tell a host that serves without a lease.
        if any(one.is_on and one.serves for one in self.world.machines):
            return
        if self.world.alone is None:
            if machine.renewing is not None and steps:
                machine.run(machine.renewing, steps)
            self.world.now += LOST
            self.world.alone = Alone(self.world).starting()
            self.world.run_alone(before)
        for _ in range(beats):
            self.beat(machine)
        self.world.run_alone(4 - before)
        if stops:
            self.world.run_alone(1)

    @may("abandon")
    @rule()
    def abandon(self) -> None:
        if last := len(self.world.database.promotions):
            self.world.database.abandon(last)

    @may("restore")
    @rule(restore=RESTORES, which=ANY, steps=st.integers(0, 5))
    def restore(self, restore: tuple[int, str, int, int, bool], which: int, steps: int) -> None:
        """The database is restored from a dump, while some machines stand still, one of them maybe
        in a beat. ``changes``: as many are made before those go on."""
        events, rows, still, changes, goes_on = restore
        machine = self.machine(which)
        if any(one.is_on and one.serves for one in self.world.machines):
            return  # Nobody could tell such a host.
        if machine.renewing is not None and steps:
            machine.run(machine.renewing, steps)
        self.world.restore(events, rows)
        for _ in range(RESTORED // 24):
            for bit, other in enumerate(self.world.machines):
                if not still & 1 << bit:
                    self.beat(other)
            self.world.now += 24
        for _ in range(changes):
            self.change_to_the_end((which + 1, still), 0)
        if goes_on and machine.renewing is not None:
            machine.run(machine.renewing)

    @may("set the database's clock")
    @precondition(lambda self: not self.world.database_set_by)
    @rule(back=st.booleans())
    def set_clock_of_the_database(self, *, back: bool) -> None:
        self.world.database_set_by = -36 * LEASE if back else LEASE - RATE

    @may("set a clock")
    @rule(which=ANY, by=st.sampled_from([-36 * LEASE, 36 * LEASE]))
    def set_clock(self, which: int, by: int) -> None:
        self.machine(which).set_by += by

    @invariant()
    def a_request_that_began_now_would_see_every_answered_change(self) -> None:
        for machine in self.world.machines:
            over = machine.is_over()
            if not machine.is_on or (over and not (machine.serves and machine.page.valid_until)):
                continue
            for worker in machine.workers:
                if worker.counter == machine.page.counter:
                    self.world.check(machine, worker.event, over=over)
