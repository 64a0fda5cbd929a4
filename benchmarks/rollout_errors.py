"""How often rollouts go wrong, and how soon a bad version is gone, in simulated time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from benchmarks.rollout_simulation import Run
from benchmarks.split_keys import Checked
from registry.rollouts.plan import parse_plan

HOUR = 3600
ALLOWED = 0.03
"""The share of rollouts of equal versions that may be rolled back; a guard's alpha is 1 %."""
GONE_SECONDS = 10
OUTAGE = range(900, 1020)
"""The seconds in which half of all requests fail, whatever the version."""
PLAN = parse_plan(
    {
        "steps": [
            {"weight": 5, "minutes": 10, "requests": 2000},
            {"weight": 25, "minutes": 20, "requests": 10_000},
            {"weight": 100},
        ],
        "guards": ["faults <= champion * 2 + 0.5%"],
        "bake": 30,
    }
)


def equal_versions(runs: int) -> Iterator[Checked]:
    """Canaries that are as the champion, without and with an outage that both suffer from."""
    allowed = int(runs * ALLOWED)
    for what, of in (("both fail 0.5 %", _equal), ("and an outage of two minutes", _outage)):
        ended = [run.progress.state for run in _all(of, runs)]
        wrong = ended.count("rolled_back")
        yield Checked(
            f"rolled back of {runs} equal versions, an hour each, {what}",
            f"at most {allowed}",
            f"{wrong}; {ended.count('promoted')} promoted",
            wrong <= allowed,
        )


def failing_canaries(runs: int) -> Iterator[Checked]:
    """Canaries that fail 5 % of 100 requests a second."""
    seconds = sorted(
        run.seconds if run.progress.state == "rolled_back" else HOUR for run in _all(_failing, runs)
    )
    late = sum(one > GONE_SECONDS for one in seconds)
    yield Checked(
        f"seconds until a version that fails 5 % of 100 a second is gone, {runs} runs",
        f"{GONE_SECONDS} in 99 %",
        f"median {seconds[runs // 2]}, longest {seconds[-1]}; {late} later",
        late <= runs * 0.01,
    )


def no_traffic() -> Iterator[Checked]:
    """An hour without requests, then 100 a second."""
    run = Run(PLAN).run(HOUR, requests=0)
    yield Checked(
        "after an hour without requests", "held", run.progress.state, run.progress.state == "held"
    )
    run.run(3 * HOUR, requests=100)
    good = run.actions() == ["hold", "advance", "promote", "complete"]
    yield Checked("after requests again", "promoted", run.progress.state, good)


def _equal(seed: int) -> Run:
    return Run(PLAN, seed=seed).run(HOUR, requests=100, canary=0.005, champion=0.005)


def _outage(seed: int) -> Run:
    run = Run(PLAN, seed=1_000_000 + seed)
    for second in range(HOUR):
        rate = 0.5 if second in OUTAGE else 0.005
        run.run(1, requests=100, canary=rate, champion=rate)
    return run


def _failing(seed: int) -> Run:
    return Run(PLAN, seed=2_000_000 + seed).run(HOUR, requests=2000, canary=0.05)


def _all(of: Callable[[int], Run], runs: int) -> Sequence[Any]:
    """As many runs, on all cores."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        return list(processes.map(of, range(runs), chunksize=max(runs // 20, 1)))
