"""Times the forest kernel and scikit-learn on one core: 1,000 different rows, and single rows, in
forests of three sizes.

The calls are timed alternately, so that other load on the machine affects all of them equally. Each
is called once before it is timed, as a server under load calls it repeatedly; with cold caches the
kernel takes about half as long again. The predictions are compared to the last bit before anything
is timed.

    python -m benchmarks.engine [--rounds 40]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline

from benchmarks.launching import on_cores
from benchmarks.pipelines import TRAINING_ROWS, housing_like, train_housing
from registry.engines.forest import AVAILABLE, compile_forest

ROWS = 1_000
ROUNDS = 40
FORESTS = ((100, 12, 30.0, ROUNDS), (8, 6, 20.0, ROUNDS), (500, 20, 20.0, ROUNDS // 4))
"""Trees, their depth, how many times scikit-learn's speed is the goal, and rounds."""
PIPELINE, FOREST, KERNEL = (
    "1,000 rows: scikit-learn, pipeline",
    "1,000 rows: scikit-learn, forest",
    "1,000 rows: kernel",
)
FOREST_SINGLY, KERNEL_SINGLY = "one row: scikit-learn, forest", "one row: kernel"
RATIOS = ((PIPELINE, KERNEL), (FOREST, KERNEL), (FOREST_SINGLY, KERNEL_SINGLY))


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """Seconds of each round for each call, and the size of the forest."""

    nodes: int
    depth: int
    megabytes: float
    seconds: Mapping[str, Sequence[float]]

    def ratio(self, slow: str, quick: str) -> float:
        """The time of ``slow`` divided by that of ``quick``: the median over the rounds."""
        pairs = zip(self.seconds[slow], self.seconds[quick], strict=True)
        return statistics.median(a / b for a, b in pairs)


def measure(pipeline: Pipeline, rounds: int) -> EngineFigures:
    """Time the pipeline's forest and the kernel that walks it, on the last core.

    Raises SystemExit if the kernel is missing or a prediction differs.
    """
    if not AVAILABLE:
        raise SystemExit("The kernel is missing: the installation had no C compiler.")
    table, _ = housing_like(ROWS, seed=2)
    rows = np.ascontiguousarray(pipeline["columns"].transform(table))
    forest, kernel = pipeline["forest"], compile_forest(pipeline["forest"])
    assert kernel is not None  # it is a forest, and the kernel is there
    single = [rows[at : at + 1] for at in range(ROWS)]
    singly = np.concatenate([kernel.predict(row) for row in single])
    if not pipeline.predict(table).tobytes() == kernel.predict(rows).tobytes() == singly.tobytes():
        raise SystemExit("The predictions differ from scikit-learn's; nothing was timed.")
    calls: dict[str, tuple[Callable[[], object], int]] = {
        PIPELINE: (lambda: pipeline.predict(table), 1),
        FOREST: (lambda: forest.predict(rows), 1),
        KERNEL: (lambda: kernel.predict(rows), 1),
        FOREST_SINGLY: (lambda: [forest.predict(row) for row in single[:20]], 20),
        KERNEL_SINGLY: (lambda: [kernel.predict(row) for row in single], ROWS),
    }
    nodes = sum(tree.tree_.node_count for tree in forest.estimators_)
    return EngineFigures(nodes, kernel.depth, kernel.nbytes / 1e6, _in_turn(calls, rounds))


def _in_turn(
    calls: Mapping[str, tuple[Callable[[], object], int]], rounds: int
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in calls}
    with on_cores({max(os.sched_getaffinity(0))}):
        for _ in range(rounds):
            for name, (call, count) in calls.items():
                call()
                start = time.perf_counter()
                call()
                times[name].append((time.perf_counter() - start) / count)
    return times


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int)
    given = parser.parse_args()
    for trees, depth, goal, rounds in FORESTS:
        pipeline = train_housing(*housing_like(TRAINING_ROWS, seed=1), trees=trees, depth=depth)
        print(f"{trees} trees of depth {depth}")
        print_figures(measure(pipeline, given.rounds or rounds), goal)


def print_figures(found: EngineFigures, goal: float) -> None:
    rounds = len(found.seconds[KERNEL])
    print(f"{found.nodes:,} nodes, depth {found.depth}, {found.megabytes:.1f} MB packed;")
    print(f"all {ROWS:,} predictions equal to the last bit; {rounds} alternating rounds\n")
    print(f"{'':38}{'median µs':>12}{'min µs':>12}")
    for name, times in found.seconds.items():
        print(f"{name:38}{statistics.median(times) * 1e6:12,.1f}{min(times) * 1e6:12,.1f}")
    print()
    for slow, quick in RATIOS:
        least = min(found.seconds[slow]) / min(found.seconds[quick])
        print(f"{slow:38}{found.ratio(slow, quick):10.1f} times the kernel; ", end="")
        print(f"minimum to minimum {least:.1f}")
    print(f"\nGoal: {goal:.0f} times, 1,000 rows, pipeline.\n")


if __name__ == "__main__":
    main()
