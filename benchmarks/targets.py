"""The goals, and whether a run meets them."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.engine import KERNEL, PIPELINE
from benchmarks.figures import Run
from benchmarks.servers import BARE, OURS
from benchmarks.workloads import (
    HOUSING_ARROW,
    HOUSING_BATCH,
    HOUSING_CSV,
    HOUSING_ROW,
    HOUSING_TENSORS,
    IRIS_ROW,
    TENSOR_ROWS,
)


@dataclass(frozen=True, slots=True)
class Target:
    """``measured`` returns the figure of a run, None if it was not measured."""

    name: str
    goal: float
    at_least: bool
    unit: str
    measured: Callable[[Run], float | None]

    def met(self, run: Run) -> bool | None:
        """Whether the run meets the goal; None if it was not measured."""
        found = self.measured(run)
        if found is None:
            return None
        return found >= self.goal if self.at_least else found <= self.goal


def per_second(run: Run, server: str, workload: str) -> float | None:
    """Requests a second, if the workload was timed without an error."""
    figures = run.servers.get(server)
    measured = figures.workloads.get(workload) if figures else None
    return measured.per_second if measured and measured.good else None


def best_peer(run: Run, workload: str) -> tuple[str, float] | None:
    """The fastest peer, and its requests a second."""
    found = {
        key: rate
        for key in run.servers
        if key not in {OURS, BARE} and (rate := per_second(run, key, workload))
    }
    best = max(found, key=lambda key: found[key], default=None)
    return (best, found[best]) if best else None


def against_best(run: Run, ours: str, theirs: str) -> float | None:
    """Our requests a second under one workload, divided by the best peer's under another."""
    own, best = per_second(run, OURS, ours), best_peer(run, theirs)
    return own / best[1] if own and best else None


def against_bare(run: Run, workload: str) -> float | None:
    """Our requests a second under a workload, divided by the bare reply's."""
    own, bare = per_second(run, OURS, workload), per_second(run, BARE, workload)
    return own / bare if own and bare else None


def tensors_against_arrow(run: Run) -> float | None:
    """Requests a second of 1,000 rows as binary tensors, divided by those as Arrow."""
    tensors, arrow = (per_second(run, OURS, name) for name in (HOUSING_TENSORS, HOUSING_ARROW))
    return tensors / arrow if tensors and arrow else None


def tensor_row(run: Run) -> float | None:
    """Requests a second of one row as tensors, divided by those of our own route; the worst of both
    models and both forms."""
    found = [
        (per_second(run, OURS, tensors), per_second(run, OURS, own))
        for names in TENSOR_ROWS
        for own, tensors in names.items()
    ]
    ratios = [tensors / own for tensors, own in found if tensors and own]
    return min(ratios) if len(ratios) == len(found) else None


def unequal_answers(run: Run) -> float | None:
    """Predictions of the forest with other bits than scikit-learn's, over all forms of request."""
    ours = run.servers.get(OURS)
    checked = [
        one.parity
        for name, one in (ours.workloads.items() if ours else ())
        if not name.startswith(IRIS_ROW) and one.parity
    ]
    return sum(parity.unequal for parity in checked) if checked else None


def _worker_memory(run: Run) -> float | None:
    ours = run.servers.get(OURS)
    return ours.largest.worker if ours and ours.largest else None


def _start(run: Run) -> float | None:
    ours = run.servers.get(OURS)
    return ours.start if ours else None


def _many_against_few(run: Run) -> float | None:
    found = run.many_versions
    return found.ratio if found and not found.wrong else None


TARGETS = (
    Target(
        "one row by name, iris, compared with the best peer",
        15,
        True,
        "times",
        lambda run: against_best(run, IRIS_ROW, IRIS_ROW),
    ),
    Target(
        "one row by name, housing forest, compared with the best peer",
        80,
        True,
        "times",
        lambda run: against_best(run, HOUSING_ROW, HOUSING_ROW),
    ),
    Target(
        "one row, iris, compared with the bare WSGI reply",
        0.55,
        True,
        "of it",
        lambda run: against_bare(run, IRIS_ROW),
    ),
    Target(
        "one row, housing forest, compared with the bare WSGI reply",
        0.45,
        True,
        "of it",
        lambda run: against_bare(run, HOUSING_ROW),
    ),
    Target(
        "1,000 different rows as JSON records, housing, compared with the best peer",
        9,
        True,
        "times",
        lambda run: against_best(run, HOUSING_BATCH, HOUSING_BATCH),
    ),
    Target(
        "1,000 different rows as Arrow, housing, compared with the best peer's JSON",
        12,
        True,
        "times",
        lambda run: against_best(run, HOUSING_ARROW, HOUSING_BATCH),
    ),
    Target(
        "1,000 different rows as CSV, housing",
        410,
        True,
        "requests/s",
        lambda run: per_second(run, OURS, HOUSING_CSV),
    ),
    Target(
        "1,000 rows as binary tensors, housing, compared with our fastest table format",
        1,
        True,
        "times",
        tensors_against_arrow,
    ),
    Target("one row as tensors, compared with our own route", 0.77, True, "of it", tensor_row),
    Target(
        "the engine alone, forest of 100, 1,000 different rows, compared with scikit-learn",
        30,
        True,
        "times",
        lambda run: run.engine.ratio(PIPELINE, KERNEL) if run.engine else None,
    ),
    Target(
        "predictions of the forest that differ from scikit-learn's",
        0,
        False,
        "predictions",
        unequal_answers,
    ),
    Target("memory of one worker serving both models", 100, False, "MB", _worker_memory),
    Target("from start to ready with both models", 1.2, False, "s", _start),
    Target(
        "requests/s with 500 loaded versions of 100 models, compared with 2",
        0.95,
        True,
        "of it",
        _many_against_few,
    ),
    Target(
        "promotion of a warmed-up version, 8 versions loaded, two workers, median",
        30,
        False,
        "ms",
        lambda run: run.promotions.median if run.promotions else None,
    ),
)
