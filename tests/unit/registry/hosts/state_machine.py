"""Random schedules of everything that hosts do, with what the protocol promises checked after each
step."""

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.unit.registry.hosts.simulated_hosts import LEASE, RATE, Faults, Machine, Process, World

ANY = st.integers(0, 9)
FATES = st.sampled_from(["well", "well", "well", "lost", "unanswered"])
SPANS = st.sampled_from([1, 24, 24, 48, 96, 100, 210])
"""A lease is 100 of these by a clock of the usual rate."""
RATES = st.integers(20, 22)
LEASES = st.sampled_from([LEASE, LEASE, LEASE, 2 * LEASE])
JUMPS = st.sampled_from([-36 * LEASE, 36 * LEASE])


class Hosts(RuleBasedStateMachine):
    """Any process may stand still for any time; each step is atomic."""

    faults = Faults()

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.world = World(self.faults, database_rate=data.draw(RATES))
        for name in "abc"[: data.draw(st.sampled_from([2, 2, 3]))]:
            machine = Machine(
                self.world,
                name,
                data.draw(RATES),
                lease=data.draw(LEASES),
                serves=data.draw(st.sampled_from([False, False, True])),
            )
            self.world.machines.append(machine)
            for _ in range(data.draw(st.sampled_from([0, 4, 4, 4]))):
                self.beat(machine)

    def machine(self, which: int) -> Machine:
        return self.world.machines[which % len(self.world.machines)]

    @staticmethod
    def beat(machine: Machine) -> None:
        """A whole beat, with what it begins elsewhere."""
        if machine.renewing is not None:
            machine.run(machine.renewing)
        for process in list(machine.processes):
            machine.run(process)

    @rule(which=ANY)
    def renew(self, which: int) -> None:
        self.beat(self.machine(which))

    @rule()
    def renew_all(self) -> None:
        for machine in self.world.machines:
            self.beat(machine)

    @rule(which=ANY, other=ANY, steps=st.integers(1, 6), fate=FATES)
    def go_on(self, which: int, other: int, steps: int, fate: str) -> None:
        """One process does a few steps."""
        machine = self.machine(which)
        processes = [*machine.processes]
        if machine.renewing is not None:
            processes.append(machine.renewing)
        if processes:
            process = processes[other % len(processes)]
            for _ in range(steps - 1):
                if machine.step(process) is None:
                    return
            machine.step(process, fate)

    @rule(span=SPANS)
    def wait(self, span: int) -> None:
        self.world.now += span

    @rule(which=ANY, steps=st.integers(0, 12))
    def change(self, which: int, steps: int) -> None:
        self.begin_on(which, lambda machine: machine.changing(), steps)

    @rule(which=ANY, steps=st.integers(0, 12), unable=st.sets(st.sampled_from("abc"), max_size=1))
    def promote(self, which: int, steps: int, unable: set[str]) -> None:
        number = next(self.world.numbers)
        self.world.unable[number] = frozenset(unable)
        self.begin_on(which, lambda machine: machine.promoting(number), steps)

    @precondition(lambda self: self.world.unanswered)
    @rule(which=ANY, change=ANY, steps=st.integers(0, 12))
    def replay(self, which: int, change: int, steps: int) -> None:
        seq = self.world.unanswered[-1 - change % len(self.world.unanswered)]
        self.begin_on(which, lambda machine: machine.replaying(seq), steps)

    @rule(which=ANY, worker=ANY, steps=st.integers(1, 4))
    def request(self, which: int, worker: int, steps: int) -> None:
        self.begin_on(which, lambda machine: machine.requesting(machine.workers[worker % 2]), steps)

    def begin_on(self, which: int, begin, steps: int) -> None:
        machine = self.machine(which)
        if not machine.is_on:
            return
        process: Process = begin(machine)
        machine.processes.append(process)
        machine.run(process, steps)

    @rule(which=ANY)
    def replace_renewer(self, which: int) -> None:
        machine = self.machine(which)
        if machine.is_on:
            machine.end_process()
            machine.start_process()

    @rule(which=ANY, boots=st.booleans())
    def stop_or_start(self, which: int, *, boots: bool) -> None:
        machine = self.machine(which)
        if machine.is_on:
            machine.stop()
        else:
            machine.start(boots=boots)

    @rule(which=ANY, steps=st.integers(0, 2))
    def leave(self, which: int, steps: int) -> None:
        if self.machine(which).renewing is not None:
            self.begin_on(which, lambda machine: machine.leaving(), steps)

    @precondition(lambda self: len(self.world.machines) < 4)
    @rule(which=ANY, rate=RATES, steps=st.integers(0, 12))
    def move(self, which: int, rate: int, steps: int) -> None:
        """Start another machine with the name of one that may go on."""
        known = self.machine(which)
        known.serves = False  # Nobody could tell such a host that it is no longer the one.
        machine = Machine(self.world, known.name, rate)
        self.world.machines.append(machine)
        for _ in range(steps // 3):
            self.beat(machine)

    @rule(which=ANY)
    def forget(self, which: int) -> None:
        """The operator knows that a host is stopped, and so is every other of that name."""
        name = self.machine(which).name
        if name in self.world.database.hosts and not any(
            machine.is_on for machine in self.world.machines if machine.name == name
        ):
            self.world.database.forget(name)

    @precondition(lambda self: self.world.database.promotions)
    @rule(which=ANY)
    def abandon(self, which: int) -> None:
        self.world.database.abandon(which % len(self.world.database.promotions) + 1)

    @precondition(lambda self: not self.world.database_set_by)
    @rule(back=st.booleans())
    def set_clock_of_the_database(self, *, back: bool) -> None:
        self.world.database_set_by = -36 * LEASE if back else LEASE - RATE

    @rule(which=ANY, by=JUMPS)
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
                    self.world.check(machine, worker.seq, over=over)
