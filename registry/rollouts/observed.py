"""What was counted during a rollout, and what it says about the guards.

Counts are read as totals that each server has kept since its start, so what is lost between two
reads is nothing: a keeper that was killed continues with the totals that it stored last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from registry.guards.evidence import ArmCounts, Evidence, Verdict
from registry.guards.grammar import EVENTS, Events
from registry.guards.slow import first_slow_bin, slow_answers
from registry.rollouts.plan import Plan

LEAST_TIMES = 100
"""With fewer answers there is no 99th percentile."""
RECENT = timedelta(hours=1)
_PART = timedelta(minutes=5)
"""What the last hour is divided into."""
_PRIOR = ArmCounts(100, 1)
"""Added to the champion's counts of the last hour: one without faults in few requests may have a
rate of 1 %."""


class Totals(NamedTuple):
    """What a version has answered under the alias since a server started.

    ``times``: answers by time, the fastest bin first.
    """

    faults: int
    times: tuple[int, ...]


_NO_TOTALS = Totals(0, ())

Sources = Mapping[str, Mapping[int, Totals]]
"""The totals by server and by the version's number."""


def sources_to_json(sources: Sources) -> dict[str, dict[str, Any]]:
    """By server and number, as plain data."""
    plain: dict[str, dict[str, Any]] = msgspec.to_builtins(sources, str_keys=True)
    return plain


def sources_from_json(raw: Mapping[str, Any]) -> Sources:
    """The inverse of ``sources_to_json``. Raises ValueError where the form is another."""
    sources: Sources = msgspec.convert(raw, Sources, strict=False)
    return sources


class Tally(NamedTuple):
    """Requests of an arm; ``timed``: answers since it is known which are slow."""

    answered: int = 0
    faults: int = 0
    timed: int = 0
    slow: int = 0

    @property
    def requests(self) -> int:
        """Answers and faults; refused inputs are not counted."""
        return self.answered + self.faults

    def plus(self, other: "Tally") -> "Tally":
        """The sums of both."""
        return Tally(*(one + more for one, more in zip(self, other, strict=True)))

    def of(self, events: Events) -> ArmCounts:
        """The requests in which ``events`` are possible, and how many there were."""
        if events == "slow":
            return ArmCounts(self.timed, self.slow)
        return ArmCounts(self.requests, self.faults)


NOTHING = Tally()


class Arms(NamedTuple):
    """The tallies of both versions."""

    canary: Tally = NOTHING
    champion: Tally = NOTHING

    def plus(self, other: "Arms") -> "Arms":
        """The sums of both."""
        return Arms(self.canary.plus(other.canary), self.champion.plus(other.champion))


class Part(NamedTuple):
    """The champion's requests in five minutes; ``number`` counts them since 1970."""

    number: int
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """``guards`` and ``since`` are by the text of the guard: the evidence, and how many intervals
    there were before this step.

    ``whole`` and ``step``: what was counted in the rollout and in its step. ``recent``: the
    champion's last hour. ``rates``: the champion's rates before the promotion; None until then.
    ``slow_bin``: the first bin that is slow; None until the champion had enough answers
    (``learning``: those so far). ``sources``: the totals that were read last.
    """

    guards: Mapping[str, Evidence]
    since: Mapping[str, int]
    whole: Arms = Arms()  # noqa: RUF009 - immutable
    step: Arms = Arms()  # noqa: RUF009 - immutable
    recent: tuple[Part, ...] = ()
    rates: Mapping[Events, float] | None = None
    slow_bin: int | None = None
    learning: tuple[int, ...] = ()
    sources: Sources = field(default_factory=dict)

    @classmethod
    def begin(cls, plan: Plan, times: Sequence[int] = ()) -> "Observed":
        """At the start; ``times`` are the champion's answers by bin in the hour before."""
        return cls(
            guards={guard.text: Evidence() for guard in plan.guards},
            since={guard.text: 0 for guard in plan.guards},
        )._learned(times)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Observed":
        """The inverse of ``to_json``. Raises ValueError where the form is another."""
        return msgspec.convert(raw, cls, strict=False)

    def to_json(self) -> dict[str, Any]:
        """As plain data; JSON keeps all numbers exactly."""
        plain: dict[str, Any] = msgspec.to_builtins(self, str_keys=True)
        return plain

    def starting_at(self, sources: Sources) -> "Observed":
        """With ``sources`` as the totals at the start."""
        return replace(self, sources=sources)

    def after(
        self,
        plan: Plan,
        canary: int,
        champion: int,
        read: Sources,
        now: datetime,
        *,
        first: Sources | None = None,
    ) -> "Observed":
        """With what was counted until ``read``, each server's as an interval of its own.

        The totals of a server that are not known yet begin at ``first``, and where that is unknown
        too, at those that are read. A server that counts anew has another name, so smaller totals
        are an earlier reading, such as one that another keeper stored before: they change nothing.
        ``canary`` and ``champion`` are the versions' numbers.
        """
        result, sources = self, dict(self.sources)
        for name, totals in read.items():
            before = self.sources.get(name, (first or {}).get(name))
            if before is not None:
                new = _increase(before.get(canary), totals.get(canary))
                old = _increase(before.get(champion), totals.get(champion))
                if old is None and new is not None and (new.faults or any(new.times)):
                    # Not earlier. The champion has no alias after the promotion, and workers with
                    # very many versions may use its place for another one.
                    old = _NO_TOTALS
                if new is None or old is None:
                    continue
                result = result._after_interval(plan, new, old, now)
            sources[name] = totals
        return replace(result, sources=sources)

    def next_step(self, *, promoted: bool = False) -> "Observed":
        """At the beginning of the next step. ``promoted``: it is the last one."""
        since = {text: evidence.intervals for text, evidence in self.guards.items()}
        rates = {events: self._rate(events) for events in EVENTS} if promoted else None
        return replace(self, since=since, step=Arms(), rates=rates)

    def verdict(self, guard: str) -> Verdict:
        """The verdict of the guard with this text."""
        return self.guards[guard].verdict(self.since[guard])

    def _after_interval(
        self, plan: Plan, canary: Totals, champion: Totals, now: datetime
    ) -> "Observed":
        added = Arms(self._tally(canary), self._tally(champion))
        if added == Arms():
            return self
        guards = dict(self.guards)
        for guard in plan.guards:
            limit = guard.limit
            if self.rates is not None:
                limit = limit.without_champion(self.rates[guard.events])
            guards[guard.text] = guards[guard.text].after(
                limit, added.canary.of(guard.events), added.champion.of(guard.events)
            )
        return replace(
            self,
            guards=guards,
            whole=self.whole.plus(added),
            step=self.step.plus(added),
            recent=_with_part(self.recent, added.champion, now),
        )._learned(champion.times)

    def _tally(self, increase: Totals) -> Tally:
        answered = sum(increase.times)
        if self.slow_bin is None:
            return Tally(answered, increase.faults)
        slow = slow_answers(increase.times, self.slow_bin)
        return Tally(answered, increase.faults, answered, slow)

    def _learned(self, times: Sequence[int]) -> "Observed":
        """With further answers of the champion, which say what is slow from the next interval on:
        a limit that depended on the interval's own times would not be tested fairly."""
        if self.slow_bin is not None:
            return self
        learning = _sums(self.learning, times)
        if sum(learning) < LEAST_TIMES:
            return replace(self, learning=learning)
        return replace(self, slow_bin=first_slow_bin(learning), learning=())

    def _rate(self, events: Events) -> float:
        counts = _PRIOR
        for part in self.recent:
            counts = counts.plus(part.tally.of(events))
        return counts.bad / counts.requests


def _increase(before: Totals | None, after: Totals | None) -> Totals | None:
    """What the totals grew by; None where they are smaller."""
    if after is None:
        return _NO_TOTALS if before is None else None
    if before is None:
        return after
    times = _sums(after.times, [-count for count in before.times])
    increase = Totals(after.faults - before.faults, times)
    return None if increase.faults < 0 or any(count < 0 for count in times) else increase


def _sums(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    if len(one) < len(other):
        one, other = other, one
    return (
        *(first + second for first, second in zip(one, other, strict=False)),
        *one[len(other) :],
    )


def _with_part(recent: Sequence[Part], tally: Tally, now: datetime) -> tuple[Part, ...]:
    """The parts of the last hour, ``tally`` added to the present one."""
    number = int(now.timestamp() // _PART.total_seconds())
    kept = [part for part in recent if part.number > number - RECENT // _PART]
    if kept and kept[-1].number == number:
        tally = kept.pop().tally.plus(tally)
    return (*kept, Part(number, tally))
