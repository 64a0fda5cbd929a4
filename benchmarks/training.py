"""A training by a recipe against plain scikit-learn doing the same: read, fit, predict, score.

Both read the same CSV of 20,000 rows like the housing data, hold out the same rows, fit the same
forest of 100 trees on all cores, and measure it by the same five metrics. The recipe's way also
checks the table, types its columns, measures a baseline, draws the intervals of the metrics and
gathers what plots need. They take turns, the first of a round now one and now the other. Before
anything is timed, the metrics of both have to be equal.

    python -m benchmarks.training [--rounds 5] [--rows 20000]
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from benchmarks.pipelines import TRAINING_ROWS, TREES, housing_like
from trainers.metrics import regression_metrics
from trainers.recipe import Recipe
from trainers.training import train

ROUNDS = 5
TARGET = 1.10
PRICE = "median_house_value"
PLAIN, RECIPE, WATCHED = "plain scikit-learn", "by a recipe", "by a recipe, with a progress bar"
Metrics = Mapping[str, float]


def plainly(data: Path) -> Metrics:
    """What a script of twenty lines does."""
    table = pd.read_csv(data)
    prices = table.pop(PRICE)
    fitted, held_out, known, true = train_test_split(table, prices, test_size=0.2, random_state=0)
    numbers = [name for name in table if name not in {"total_bedrooms", "ocean_proximity"}]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer(
        [
            ("as_is", "passthrough", numbers),
            ("filled", SimpleImputer(strategy="median"), ["total_bedrooms"]),
            ("places", encoder, ["ocean_proximity"]),
        ]
    )
    forest = RandomForestRegressor(TREES, min_samples_leaf=2, random_state=0, n_jobs=-1)
    pipeline = Pipeline([("columns", columns), ("forest", forest)]).fit(fitted, known)
    return regression_metrics(true.to_numpy(), pipeline.predict(held_out))


def by_recipe(data: Path, *, watched: bool) -> Metrics:
    """The same as ``hotswap train`` and ``hotswap retrain`` do it."""
    recipe = Recipe(data=str(data), target=PRICE, kind="forest", params={"n_estimators": TREES})
    return train(recipe, progress=_ignore if watched else None).metrics


def measure(data: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of each round by who trained. Raises SystemExit where the metrics differ."""
    calls: dict[str, Callable[[], Metrics]] = {
        PLAIN: lambda: plainly(data),
        RECIPE: lambda: by_recipe(data, watched=False),
        WATCHED: lambda: by_recipe(data, watched=True),
    }
    expected = calls[PLAIN]()
    for name, call in calls.items():
        found = call()
        if any(not math.isclose(found[key], expected[key], rel_tol=1e-9) for key in expected):
            raise SystemExit(f"The metrics differ {name}: {found}, not {expected}.")
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        order = list(calls) if number % 2 == 0 else list(calls)[::-1]
        for name in order:
            start = time.perf_counter()
            calls[name]()
            times[name].append(time.perf_counter() - start)
    return times


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rows", type=int, default=TRAINING_ROWS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "housing.csv"
        table, prices = housing_like(asked.rows, seed=1)
        table.assign(**{PRICE: prices.round(2)}).to_csv(data, index=False)
        times = measure(data, asked.rounds)
    print(f"{asked.rows:,} rows, {TREES} trees; {asked.rounds} rounds in turn\n")
    print(f"{'':36}{'median s':>10}{'least s':>10}{'to plain':>10}")
    for name, own in times.items():
        ratio = statistics.median(a / b for a, b in zip(own, times[PLAIN], strict=True))
        print(f"{name:36}{statistics.median(own):10.2f}{min(own):10.2f}{ratio:10.3f}")
    print(f"\nTo reach: {TARGET:.2f}.")


def _ignore(done: int, total: int) -> None:
    """Take no notice of the progress."""


if __name__ == "__main__":
    main()
