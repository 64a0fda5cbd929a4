"""Compares ``hotswap retrain`` with plain scikit-learn doing the same fit and scoring.

    python -m benchmarks.retrain [--data FILE] [--rounds 5] [--port 9320]

Both read the same CSV file of houses, hold out the same rows, fit the same pipeline with a forest
of 100 trees on all cores, and score it on the held-out rows. They alternate, and the order changes
in every round. Of ``retrain``, the part from reading the data to the evaluation is compared; the
time of the whole run, with a running service, is printed too. The metrics of both must be equal.
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from sklearn.base import clone
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from benchmarks.pipelines import housing_like
from benchmarks.service import TOKEN, Service, running_service
from cli.retraining.run import PromotionOptions, Run
from hotswap import Registry
from registry.names import PRODUCTION
from trainers.recipe import Recipe

ROWS = 20_640
TREES = 100
TARGET = "median_house_value"
ROUNDS = 5
MOST = 1.10
SAME = 1e-9
"""The allowed difference of metrics: on several cores a forest adds its votes in any order."""
BEGUN = "reading "
ENDED = "writing the artifact"


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of both in one round, and of the whole run of ``retrain``."""

    plain: float
    retrained: float
    whole: float

    @property
    def ratio(self) -> float:
        return self.retrained / self.plain


class Watch:
    """Records when each stage of a run began."""

    def __init__(self) -> None:
        self.began: list[tuple[str, float]] = []

    def __call__(self, stage: str) -> None:
        self.began.append((stage, time.perf_counter()))

    def between(self, first: str, last: str) -> float:
        """Seconds from the start of one stage to the start of another."""
        at = {begun: moment for begun in (first, last) for stage, moment in self.began
              if stage.startswith(begun)}  # fmt: skip
        return at[last] - at[first]


def plain(data: Path, unfitted: Pipeline, recipe: Recipe) -> tuple[float, dict[str, float]]:
    """Seconds that plain scikit-learn takes, and its metrics."""
    pipeline = clone(unfitted)
    pipeline[-1].set_params(n_jobs=-1)
    start = time.perf_counter()
    table = pd.read_csv(data)
    features, target = table.drop(columns=TARGET), table[TARGET].to_numpy()
    x_train, x_test, y_train, y_test = train_test_split(
        features, target, test_size=math.ceil(len(table) * recipe.test_size),
        random_state=recipe.seed,
    )  # fmt: skip
    pipeline.fit(x_train, y_train)
    predicted = pipeline.predict(x_test)
    metrics = {
        "rmse": math.sqrt(mean_squared_error(y_test, predicted)),
        "mae": float(mean_absolute_error(y_test, predicted)),
        "r2": float(r2_score(y_test, predicted)),
    }
    return time.perf_counter() - start, metrics


def retrained(service: Service, recipe: Recipe) -> tuple[float, float, Pipeline, dict[str, float]]:
    """Seconds of training and evaluation, seconds of the whole run, the pipeline and its metrics.

    Raises SystemExit if nothing was trained.
    """
    watch = Watch()
    start = time.perf_counter()
    with Registry(service.url, TOKEN) as registry:
        run = Run(registry, recipe, PromotionOptions(alias=PRODUCTION), watch)
        run.go()
    whole = time.perf_counter() - start
    if run.trained is None or run.report.ending != "promoted":
        raise SystemExit(f"Nothing was retrained: {run.report.headline()}")
    return watch.between(BEGUN, ENDED), whole, run.trained.pipeline, run.trained.metrics


def measure(service: Service, recipe: Recipe, rounds: int) -> list[Round]:
    """Time both alternately. Raises SystemExit if their metrics differ."""
    data = Path(recipe.data)
    # The first run of each is not timed: it imports modules and fills caches.
    _, _, pipeline, metrics = retrained(service, replace(recipe, description="warm-up"))
    _, expected = plain(data, pipeline, recipe)
    check(metrics, expected)
    found = []
    for number in range(rounds):
        # A different description makes a different recipe, which must be trained.
        variant = replace(recipe, description=f"round {number + 1}")
        if number % 2:
            seconds, whole, _, _ = retrained(service, variant)
            alone, _ = plain(data, pipeline, recipe)
        else:
            alone, _ = plain(data, pipeline, recipe)
            seconds, whole, _, _ = retrained(service, variant)
        found.append(Round(alone, seconds, whole))
        print(f"{number + 1:5}{alone:12.2f}{seconds:12.2f}{found[-1].ratio:9.3f}{whole:12.2f}")
    return found


def check(metrics: Mapping[str, float], expected: Mapping[str, float]) -> None:
    """Raises SystemExit if a metric differs."""
    for name, value in expected.items():
        if not math.isclose(metrics[name], value, rel_tol=SAME):
            raise SystemExit(f"{name} differs: {metrics[name]} and {value}: not the same fit.")


def verdict(rounds: list[Round]) -> str:
    """The median over the pairs, and whether the goal is met."""
    ratio = statistics.median(pair.ratio for pair in rounds)
    reached = "met" if ratio <= MOST else "MISSED"
    return f"{ratio:.3f} times scikit-learn (median of pairs); goal at most {MOST:.2f}: {reached}."


def houses(folder: Path) -> Path:
    """Write a CSV file like the housing data."""
    table, prices = housing_like(ROWS, seed=1)
    file = folder / "houses.csv"
    table.assign(**{TARGET: prices.round()}).to_csv(file, index=False)
    return file


def main() -> None:
    """Print each pair, and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, help="CSV with median_house_value (default: generated)"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--port", type=int, default=9320)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="hotswap-retrain-") as own,
        running_service(1, given.port) as service,
    ):
        recipe = Recipe(
            data=str(given.data or houses(Path(own))),
            kind="forest",
            target=TARGET,
            name="housing",
            params={"n_estimators": TREES},
        )
        print(f"{'pair':>5}{'plain s':>12}{'retrain s':>12}{'ratio':>9}{'whole s':>12}")
        rounds = measure(service, recipe, given.rounds)
    print(f"\n{verdict(rounds)}")


if __name__ == "__main__":
    main()
