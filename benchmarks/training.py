"""What a search gains on the workers of a Dask cluster, and how good estimates of memory are.

    python -m benchmarks.training search [--rows 20000]
    python -m benchmarks.training memory [--rows 100000 400000]

``search`` times one search of forests with the threads of this process, and with one and two worker
processes of one thread each, which make the same version. ``memory`` compares the estimate for
tables in several files, and recipes, with the peak of a process that trains on each.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from trainers.cluster.connection import connected
from trainers.errors import TableTooLarge
from trainers.memory import check_memory
from trainers.recipe import Recipe
from trainers.search_space import Search
from trainers.trained import TrainedModel
from trainers.training import train

FORESTS = Search(method="grid", params={"max_depth": (4, 8, 12), "max_features": (0.3, 1.0)})
Made = Callable[[int, np.random.Generator], pd.DataFrame]


def numbers(rows: int, draws: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(draws.normal(size=(rows, 10)).round(6), columns=list("abcdefghiy"))


def texts(rows: int, draws: np.random.Generator) -> pd.DataFrame:
    values = [f"value {number}" for number in range(40)]
    columns = {f"text_{number}": draws.choice(values, rows) for number in range(3)}
    numbers_beside = pd.DataFrame(draws.normal(size=(rows, 4)).round(4), columns=list("abcy"))
    return numbers_beside.assign(**columns)


SMALL_FOREST = {"kind": "forest", "params": {"n_estimators": 10, "max_depth": 8}}
DEPTHS = Search(method="grid", params={"max_depth": (4, 8)}, folds=3)
TABLES: list[tuple[str, Made, dict[str, Any]]] = [
    ("numbers.csv", numbers, {"kind": "linear"}),
    ("numbers.parquet", numbers, {"kind": "linear"}),
    ("numbers.csv", numbers, SMALL_FOREST),
    ("numbers.csv", numbers, {"kind": "boosting"}),
    ("numbers.csv", numbers, {"kind": "tree", "search": DEPTHS.to_json()}),
    ("numbers.csv", numbers, {"kind": "linear", "sample": 50_000}),
    ("texts.csv", texts, {"kind": "tree", "params": {"max_depth": 5}}),
    ("texts.parquet", texts, SMALL_FOREST),
]


def time_search(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "numbers.csv")
        numbers(rows, np.random.default_rng(1)).to_csv(data, index=False)
        recipe = Recipe(
            data=str(data), target="y", kind="forest", params={"n_estimators": 20}, search=FORESTS
        )
        began = time.perf_counter()
        here = train(recipe)
        print(f"here, {joblib.cpu_count()} threads: {time.perf_counter() - began:.1f} s")
        for workers in (1, 2):
            seconds, there = on_workers(recipe, workers)
            assert there.artifact() == here.artifact()
            print(f"on {workers} workers of one thread: {seconds:.1f} s")


def on_workers(recipe: Recipe, workers: int) -> tuple[float, TrainedModel]:
    """Seconds from the connection to the version, in which the workers import scikit-learn."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as started:
        began = time.perf_counter()
        with connected(started.scheduler_address) as cluster:
            model = train(recipe, cluster=cluster)
        return time.perf_counter() - began, model


def compare_memory(rows: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        for name, made, fields in TABLES:
            data = Path(folder, name)
            table = made(rows, np.random.default_rng(1))
            is_text = data.suffix == ".csv"
            table.to_csv(data, index=False) if is_text else table.to_parquet(data)
            document = {"data": str(data), "target": "y", **fields}
            recipe = Recipe.from_json(document)
            estimated = estimate_of(recipe)
            measured = peak_of(recipe)
            kept = "" if recipe.sample is None else f", sample of {recipe.sample:,}"
            print(
                f"{rows:,} rows of {name}, {described(recipe)}{kept}: "
                f"{estimated / 1e6:,.0f} MB estimated, "
                f"{measured / 1e6:,.0f} MB measured, ratio {estimated / measured:.2f}",
                flush=True,
            )
            data.unlink()


def described(recipe: Recipe) -> str:
    return recipe.kind if recipe.search is None else f"a search of {recipe.kind}"


def estimate_of(recipe: Recipe) -> int:
    """The bytes with which a training is refused that may take none."""
    try:
        check_memory(recipe, 0)
    except TableTooLarge as refused:
        return refused.needed
    raise AssertionError(recipe.data)  # it is larger than what is not estimated


def peak_of(recipe: Recipe) -> int:
    """Bytes by which a process that trains grows above its size after its imports."""
    command = [sys.executable, "-m", "benchmarks.training", "peak", json.dumps(recipe.to_json())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return int(done.stdout)


def print_peak(document: str) -> None:
    before = memory("VmRSS")
    train(Recipe.from_json(json.loads(document)))
    print(memory("VmHWM") - before)


def memory(field: str) -> int:
    """Bytes of this process by /proc. ru_maxrss would be that of the process that started it, if
    that was larger."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["search", "memory", "peak"])
    parser.add_argument("recipe", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, nargs="+")
    given = parser.parse_args()
    if given.what == "search":
        for rows in given.rows or (20_000,):
            time_search(rows)
    elif given.what == "memory":
        for rows in given.rows or (100_000, 400_000):
            compare_memory(rows)
    else:
        print_peak(given.recipe)


if __name__ == "__main__":
    main()
