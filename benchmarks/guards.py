"""Simulates guards, and writes benchmarks/GUARDS.md.

How often a version that is no worse than the limit would be rolled back, and how long it takes
until one that is worse is, if its guard is looked at each second. The same counts are also given to
other rules, for comparison.

    python -m benchmarks.guards [--runs 1000] [--write]
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from registry.guards.evidence import (
    ALPHA,
    GRID,
    INITIAL_BET,
    after_interval,
    log_factors,
    log_wealth,
)
from registry.guards.grammar import parse_guard
from registry.guards.limit import Limit
from registry.guards.slow import first_slow_bin, slow_answers
from registry.watching.counts import BINS, BOUNDS

FAULTS = parse_guard("faults <= champion * 2 + 0.5%")
SLOW = parse_guard("slow <= champion * 2 + 1%")
HALF_AN_HOUR = 1800
RESULTS = Path(__file__).with_name("GUARDS.md")
THRESHOLD, THRESHOLD_SECONDS = 0.01, 10
RULES = ("guard", "at once", "two tests", "threshold")
"""``at once``: all wealth is bet from the start. ``two tests``: the same, against the factor of the
limit and against its percentage separately, where both have to fail. ``threshold``: the canary had
more than 1 % bad events within 10 seconds."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Setting:
    """The rates of bad events of both arms, and their requests a second.

    After ``healthy`` seconds, in which the canary's rate is the champion's, ``seconds`` with
    ``canary_rate`` follow. ``outages``: the share of seconds in which half of all requests fail.
    """

    name: str
    canary: float
    champion: float
    canary_rate: float
    champion_rate: float
    seconds: int = HALF_AN_HOUR
    healthy: int = 0
    outages: float = 0.0
    limit: Limit = FAULTS.limit

    def second(self, number: int, runs: int, random: np.random.Generator) -> tuple[Counts, ...]:
        """Requests and bad events of the canary and of the champion, in each of the runs."""
        own = self.canary_rate if number >= self.healthy else self.champion_rate
        out = random.random(runs) < self.outages
        counts: list[Counts] = []
        for requests, rate in ((self.canary, own), (self.champion, self.champion_rate)):
            arrived = random.poisson(requests, runs)
            counts += [arrived, random.binomial(arrived, np.where(out, 0.5, rate))]
        return tuple(counts)


@dataclass(frozen=True, slots=True)
class Outcome:
    """By rule: the second in which each run was rolled back, counted from the end of its healthy
    time; infinite where it never was. ``undecided``: the share of runs whose guard was undecided at
    the end."""

    rolled_back: dict[str, NDArray[np.float64]]
    undecided: float

    def share(self, rule: str) -> float:
        return float(np.isfinite(self.rolled_back[rule]).mean())

    def seconds(self, rule: str, quantile: float) -> float:
        """Of all runs; infinite if fewer were rolled back."""
        return float(np.quantile(self.rolled_back[rule], quantile, method="inverted_cdf"))


class Runs:
    """Many runs of a setting at the same time, each as ``Evidence.after`` would count it."""

    def __init__(self, limit: Limit, runs: int) -> None:
        self.limit = limit
        self.bets = np.full((runs, len(GRID)), np.log(INITIAL_BET))
        self.intervals = np.zeros(runs)
        self.waiting = np.zeros((4, runs), np.int64)
        self._at_once = np.zeros((runs, len(GRID)))
        self._parts = np.zeros((2, runs, len(GRID)))
        self._last = np.zeros((THRESHOLD_SECONDS, 2, runs), np.int64)

    def add(self, second: int, counts: tuple[Counts, ...]) -> None:
        self._last[second % THRESHOLD_SECONDS] = counts[:2]
        self.waiting += np.array(counts)
        full = self.waiting[0] > 0
        if self.limit.scale:
            full &= self.waiting[2] > 0
        requests, bad, others, others_bad = self.waiting[:, full]
        canary, champion = (requests, bad), (others, others_bad)
        factors = log_factors(self.limit, canary, champion)
        self.bets[full] = after_interval(self.bets[full], self.intervals[full], factors)
        self.intervals[full] += 1
        self._at_once[full] += factors
        for part, limit in zip(self._parts, self._separate(), strict=True):
            part[full] += log_factors(limit, canary, champion)
        self.waiting[:, full] = 0

    def failed(self) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Which runs each rule rolls back at this look."""
        over = -np.log(ALPHA)
        yield "guard", log_wealth(self.bets, self.intervals) >= over
        yield "at once", _mean(self._at_once) >= over
        yield "two tests", _mean(self._parts).min(axis=0) >= over
        requests, bad = self._last.sum(axis=0)
        yield "threshold", bad > THRESHOLD * requests

    def undecided(self) -> float:
        return float((log_wealth(self.bets, self.intervals) > 0).mean())

    def _separate(self) -> tuple[Limit, Limit]:
        floor = replace(self.limit, scale=0.0)
        return (replace(self.limit, shift=0.0) if self.limit.scale else floor), floor


def simulate(setting: Setting, runs: int, seed: int = 15) -> Outcome:
    """Run ``setting`` independently ``runs`` times, with a look each second."""
    random = np.random.default_rng(seed)
    state = Runs(setting.limit, runs)
    rolled_back = {rule: np.full(runs, np.inf) for rule in RULES}
    for second in range(setting.healthy + setting.seconds):
        state.add(second, setting.second(second, runs, random))
        for rule, failed in state.failed():
            rolled_back[rule][failed & np.isinf(rolled_back[rule])] = second + 1 - setting.healthy
    return Outcome(rolled_back, state.undecided())


def within_limit() -> list[Setting]:
    """Canaries that are exactly as bad as the limit allows, or better."""
    at_limit = 2 * 0.005 + 0.005
    return [
        Setting("equal, both 0.5 %", 5, 95, 0.005, 0.005),
        Setting("champion 0, canary 0.5 %", 50, 50, 0.005, 0.0),
        Setting("champion 0.5 %, canary 1.5 %", 50, 50, at_limit, 0.005),
        Setting("champion 0.5 %, canary 1.5 %, at a weight of 5 %", 5, 95, at_limit, 0.005),
        Setting("champion 5 %, canary 10.5 %", 25, 75, 0.105, 0.05),
        Setting(
            "equal, in 10 % of seconds half of all requests fail", 5, 95, 0.005, 0.005, outages=0.1
        ),
        Setting("champion 0.5 %, canary 1.5 %, one request a second", 0.1, 0.9, at_limit, 0.005),
        Setting(
            "weight 100 %, canary 1.5 %, champion had 0.5 %",
            *(100, 0, at_limit, 0.0),
            limit=FAULTS.limit.without_champion(0.005),
        ),
    ]


def too_bad() -> list[Setting]:
    """Canaries that are worse than the limit."""
    champion, canary = slow_shares(factor=3.0)
    return [
        Setting("5 % fail, 100 requests a second, champion 0", 100, 1900, 0.05, 0.0, 60),
        Setting("5 % fail, 20 a second, champion 0", 20, 380, 0.05, 0.0, 200),
        Setting("5 % fail, 5 a second, champion 0", 5, 95, 0.05, 0.0, 600),
        Setting("5 % fail, 100 a second, champion 0.5 %", 100, 1900, 0.05, 0.005, 60),
        Setting("5 % fail, 20 a second, champion 0.5 %", 20, 380, 0.05, 0.005, 200),
        Setting("5 % fail, 5 a second, champion 0.5 %", 5, 95, 0.05, 0.005, 600),
        Setting("5 % fail, 100 a second at a weight of 50 %", 100, 100, 0.05, 0.0, 60),
        Setting("all fail, 10 a second, champion 0.5 %", 10, 190, 1.0, 0.005, 60),
        Setting(
            f"times are tripled, 20 a second: {canary:.0%} slow, champion {champion:.1%}",
            *(20, 380, canary, champion, 300),
            limit=SLOW.limit,
        ),
    ]


def slow_shares(factor: float, seed: int = 15) -> tuple[float, float]:
    """Shares of the champion's answers and of the canary's that are slow.

    Times are log-normal, the champion's with a median of 60 microseconds, and the canary's
    ``factor`` times as long.
    """
    random = np.random.default_rng(seed)
    before, champion, canary = 60e-6 * random.lognormal(0, 0.5, (3, 1_000_000))
    first = first_slow_bin(_bins(before))
    assert first is not None
    shares = [
        slow_answers(_bins(times), first) / len(times) for times in (champion, factor * canary)
    ]
    return shares[0], shares[1]


def _bins(times: NDArray[np.float64]) -> list[int]:
    counts = np.bincount(np.searchsorted(np.array(BOUNDS), times), minlength=BINS)
    return [int(count) for count in counts]


def _mean(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.logaddexp.reduce(logs, axis=-1) - np.log(len(GRID))
    return mean


def tables(runs: int) -> Iterator[str]:
    """The lines of GUARDS.md."""
    yield "# Simulated guards\n"
    yield f"`make simulate-guards`; alpha {ALPHA:.0%}, a look each second, `{FAULTS.text}`, and"
    yield f"`{SLOW.text}` where answers are slow. [docs/guards.md](../docs/guards.md) explains the"
    yield "columns.\n"
    yield f"## Within the limit\n\nRolled back within half an hour, of {runs:,} runs.\n"
    yield "| | guard | undecided at the end | all wealth at once | two tests | over 1 % in 10 s |"
    yield "|---|---:|---:|---:|---:|---:|"
    for setting in within_limit():
        outcome = simulate(setting, runs)
        guard, *others = (f"{outcome.share(rule):.2%}" for rule in RULES)
        yield _row(setting.name, guard, f"{outcome.undecided:.2%}", *others)
    yield from _delays("from the start", 0, runs)
    yield from _delays(
        "after half an hour as good as the champion", HALF_AN_HOUR, max(runs // 4, 1)
    )


def _delays(since: str, healthy: int, runs: int) -> Iterator[str]:
    yield f"\n## Worse than the limit, {since}\n"
    yield "Seconds until rolled back, the median and the 99 % quantile of"
    yield f"{runs:,} runs; at a weight of 5 % unless noted.\n"
    yield "| | guard | all wealth at once | two tests |\n|---|---:|---:|---:|"
    for setting in too_bad():
        outcome = simulate(replace(setting, healthy=healthy), runs)
        yield _row(setting.name, *(_seconds(outcome, rule, setting) for rule in RULES[:3]))


def _seconds(outcome: Outcome, rule: str, setting: Setting) -> str:
    shown = [outcome.seconds(rule, quantile) for quantile in (0.5, 0.99)]
    return ", ".join(
        f"{one:.0f}" if np.isfinite(one) else f"over {setting.seconds}" for one in shown
    )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guards")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help=f"also write {RESULTS.name}")
    arguments = parser.parse_args()
    lines = []
    for line in tables(arguments.runs):
        print(line, flush=True)
        lines.append(line)
    if arguments.write:
        RESULTS.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
