"""The forest kernel against scikit-learn on one core: 1,000 different rows, and one row at a time.

The table is made here (20,000 rows, seeded) after the California housing data. What is compared is
timed in turn, round by round, so that whatever else the machine does falls on all alike. Each is
called once before it is timed, as a server under load calls it again and again; with caches that
something else has filled, the kernel takes about half as long again. The answers are compared to
the last bit before anything is timed.

    python benchmarks/engine.py [--rounds 40]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from registry.serving.forest import AVAILABLE, compile_forest

TABLE_ROWS = 20_000
ASKED_ROWS = 1_000
TARGET = 12.0
PLACES = ("<1H OCEAN", "INLAND", "NEAR BAY", "NEAR OCEAN", "ISLAND")


def housing_like(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """A table with the columns, ranges and gaps of the housing data, and its prices."""
    rng = np.random.default_rng(seed)
    place = rng.choice(len(PLACES), size=rows, p=[0.44, 0.32, 0.11, 0.128, 0.002])
    households = rng.lognormal(6.0, 0.7, rows).round() + 1
    rooms = (households * rng.lognormal(1.65, 0.3, rows)).round()
    bedrooms = (rooms * rng.uniform(0.15, 0.3, rows)).round()
    table = pd.DataFrame(
        {
            "longitude": rng.uniform(-124.3, -114.3, rows).round(2),
            "latitude": rng.uniform(32.5, 42.0, rows).round(2),
            "housing_median_age": rng.integers(1, 53, rows).astype(float),
            "total_rooms": rooms,
            "total_bedrooms": np.where(rng.random(rows) < 0.01, np.nan, bedrooms),
            "population": (households * rng.lognormal(1.0, 0.3, rows)).round(),
            "households": households,
            "median_income": rng.gamma(4.0, 0.97, rows).round(4),
            "ocean_proximity": np.array(PLACES, dtype=object)[place],
        }
    )
    price = (
        4e4 * table["median_income"]
        + 6e4 * np.sin(table["longitude"]) * np.cos(table["latitude"])
        - 5e4 * (place == 1)
        + 500 * table["housing_median_age"]
        + 3e4 * table["total_rooms"] / table["households"]
    )
    return table, price.to_numpy() * rng.lognormal(0.0, 0.2, rows)


def train(table: pd.DataFrame, prices: np.ndarray) -> Pipeline:
    """The pipeline of the benchmark: imputed, scaled and one-hot columns, 100 trees of depth 12."""
    numbers = [column for column in table if column != "ocean_proximity"]
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("places", OneHotEncoder(handle_unknown="ignore"), ["ocean_proximity"]),
        ],
        sparse_threshold=0,
    )
    forest = RandomForestRegressor(n_estimators=100, max_depth=12, random_state=0, n_jobs=-1)
    pipeline = Pipeline([("columns", columns), ("forest", forest)]).fit(table, prices)
    forest.n_jobs = 1
    return pipeline


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    if not AVAILABLE:
        raise SystemExit("The kernel was not built: there was no C compiler at installation.")
    pipeline = train(*housing_like(TABLE_ROWS, seed=1))
    asked, _ = housing_like(ASKED_ROWS, seed=2)
    rows = np.ascontiguousarray(pipeline["columns"].transform(asked))
    sklearn_forest, kernel = pipeline["forest"], compile_forest(pipeline["forest"])
    assert kernel is not None  # it is a forest, and the kernel is there

    expected = pipeline.predict(asked)
    single = [rows[at : at + 1] for at in range(ASKED_ROWS)]
    singly = np.concatenate([kernel.predict(row) for row in single])
    if not expected.tobytes() == kernel.predict(rows).tobytes() == singly.tobytes():
        raise SystemExit("The answers differ from scikit-learn's: nothing is timed.")

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    calls: dict[str, tuple[Callable[[], object], int]] = {
        "1,000 rows: scikit-learn, pipeline": (lambda: pipeline.predict(asked), 1),
        "1,000 rows: scikit-learn, forest": (lambda: sklearn_forest.predict(rows), 1),
        "1,000 rows: kernel": (lambda: kernel.predict(rows), 1),
        "one row: scikit-learn, forest": (
            lambda: [sklearn_forest.predict(row) for row in single[:20]],
            20,
        ),
        "one row: kernel": (lambda: [kernel.predict(row) for row in single], ASKED_ROWS),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (call, count) in calls.items():
            call()
            times[name].append(seconds(call) / count)

    nodes = sum(tree.tree_.node_count for tree in sklearn_forest.estimators_)
    print(f"100 trees, {nodes:,} nodes, depth {kernel.depth}, {kernel.nbytes / 1e6:.1f} MB packed;")
    print(f"all {ASKED_ROWS:,} answers equal to the last bit; {rounds} rounds in turn\n")
    print(f"{'':38}{'median µs':>12}{'least µs':>12}")
    for name, found in times.items():
        print(f"{name:38}{statistics.median(found) * 1e6:12,.1f}{min(found) * 1e6:12,.1f}")
    print()
    for many, ours in (
        ("1,000 rows: scikit-learn, pipeline", "1,000 rows: kernel"),
        ("1,000 rows: scikit-learn, forest", "1,000 rows: kernel"),
        ("one row: scikit-learn, forest", "one row: kernel"),
    ):
        median = statistics.median(a / b for a, b in zip(times[many], times[ours], strict=True))
        print(f"{many:38}{median:10.1f} times the kernel; least to least ", end="")
        print(f"{min(times[many]) / min(times[ours]):.1f}")
    print(f"\nTo reach: {TARGET:.0f} times on 1,000 rows.")


if __name__ == "__main__":
    main()
