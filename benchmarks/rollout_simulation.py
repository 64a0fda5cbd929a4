"""Rollouts in simulated time: requests are random, and each decision is carried out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from registry.guards.evidence import Verdict
from registry.rollouts.decide import decide
from registry.rollouts.observed import Observed, Totals
from registry.rollouts.plan import Plan
from registry.rollouts.progress import ACTIVE, Decision, Progress, Required

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CHAMPION, CANARY = 3, 4
BINS = 8
TYPICAL = 3
"""The bin of a usual answer."""
HOUR_BEFORE = (0, 0, 900, 9_100, 0, 0, 0, 0)
"""The champion's answers by bin in the hour before the start: the 99th percentile is in the fourth,
so answers from the fifth on are slow."""


@dataclass(slots=True)
class Server:
    """What one server has counted."""

    faults: dict[int, int] = field(default_factory=lambda: {CHAMPION: 0, CANARY: 0})
    times: dict[int, list[int]] = field(
        default_factory=lambda: {CHAMPION: [0] * BINS, CANARY: [0] * BINS}
    )

    def count(self, version: int, answers: int, faults: int = 0, *, time: int = TYPICAL) -> None:
        self.times[version][time] += answers
        self.faults[version] += faults

    def totals(self) -> dict[int, Totals]:
        return {
            number: Totals(self.faults[number], tuple(self.times[number]))
            for number in (CHAMPION, CANARY)
        }


class Run:
    """A rollout of version 4 over version 3, with a look each second.

    ``seconds``: how many have passed. ``moves``: each decision that changed something, with the
    second in which it was made. ``required``: the verdict that the requirements would get.
    """

    def __init__(self, plan: Plan, *, seed: int = 15, required: Verdict = "passed") -> None:
        self.plan = plan
        self.required = required
        self.seconds = 0
        self.servers = {"one": Server()}
        self.progress = Progress.begin(plan, CANARY, CHAMPION, START)
        self.observed = Observed.begin(plan, HOUR_BEFORE)
        self.moves: list[tuple[int, Decision]] = []
        self.last = Decision("wait", "")
        self._random = np.random.default_rng(seed)

    @property
    def now(self) -> datetime:
        return START + self.seconds * SECOND

    @property
    def weight(self) -> float:
        """The canary's present share of the requests."""
        if self.progress.state in {"aborted", "rolled_back"}:
            return 0.0
        return self.plan.steps[self.progress.step].weight / 10_000

    def second(self, requests: float, canary: float = 0.0, champion: float = 0.0) -> None:
        """One more second with about ``requests``, of which these shares fail, and a look."""
        for number, share, rate in (
            (CANARY, self.weight, canary),
            (CHAMPION, 1 - self.weight, champion),
        ):
            arrived = int(self._random.poisson(requests * share))
            faults = int(self._random.binomial(arrived, rate))
            self.servers["one"].count(number, arrived - faults, faults)
        self.look()

    def look(self) -> None:
        """One more second, and a look at what the servers have counted."""
        self.seconds += 1
        read = {name: server.totals() for name, server in self.servers.items()}
        self.observed = self.observed.after(self.plan, CANARY, CHAMPION, read, self.now)
        if self.progress.state in ACTIVE:
            self._decide()

    def run(self, most: int, requests: float, canary: float = 0.0, champion: float = 0.0) -> "Run":
        """At most so many seconds, as ``second``, until it has ended."""
        return self.until(lambda: False, most, requests, canary, champion)

    def until(
        self,
        reached: Callable[[], bool],
        most: int,
        requests: float,
        canary: float = 0.0,
        champion: float = 0.0,
    ) -> "Run":
        for _ in range(most):
            if reached() or self.progress.state not in ACTIVE:
                break
            self.second(requests, canary, champion)
        return self

    def actions(self) -> list[str]:
        return [decision.action for _, decision in self.moves]

    def _decide(self) -> None:
        decision = decide(self.plan, self.progress, self.observed, self.now)
        if decision.action == "require":
            decision = decide(
                self.plan, self.progress, self.observed, self.now, Required(self.required)
            )
        self.last = decision
        if decision.action != "wait":
            self.moves.append((self.seconds, decision))
            self.progress = self.progress.after(decision.action, self.plan, self.now)
            if decision.action in {"advance", "promote"}:
                self.observed = self.observed.next_step(promoted=decision.action == "promote")
