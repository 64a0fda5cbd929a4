"""Times our kernel for boosted trees and the libraries' own ``predict`` on one core.

1,000 different rows in one call, and the same rows one by one, from the 100 trees that each library
trains by default, on one thread. The library predicts a DataFrame (``predict`` of its scikit-learn
estimator) and an array in the fastest way that it has (``inplace_predict`` of XGBoost,
``Booster.predict`` of LightGBM). Ours is what a worker calls for a decoded request: columns of
1,000 rows, or the cells of one row as the reader of JSON gives them. All predictions are compared
to the last bit before anything is timed; the calls are timed alternately.

    python -m benchmarks.boosters [--rounds 20]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import msgspec
import numpy as np
import xgboost

from benchmarks.launching import on_cores
from benchmarks.pipelines import TRAINING_ROWS, housing_like
from registry.codecs.batch import Batch
from registry.codecs.json_reader import JsonReader
from registry.intake.boosting.upload import UploadedBooster, read_booster

ROWS = 1_000
SINGLY = 50
TREES = 100
ROUNDS = 20
GOALS = {"1,000 rows": 1.0, "one row": 20.0}


@dataclass(frozen=True, slots=True)
class Compared:
    """A library's name, its predictions of a DataFrame and of an array, and our model."""

    name: str
    predict_frame: Callable[[Any], Any]
    predict_array: Callable[[Any], Any]
    ours: UploadedBooster


def boosters(table: Any, target: Any) -> list[Compared]:
    """The same number of trees of each library, fitted on ``table`` and ``target``."""
    first = xgboost.XGBRegressor(n_estimators=TREES, n_jobs=1).fit(table, target)
    second = lightgbm.LGBMRegressor(n_estimators=TREES, n_jobs=1, verbose=-1).fit(table, target)
    trained, grown = first.get_booster(), second.booster_
    return [
        Compared(
            "XGBoost",
            first.predict,
            lambda rows: trained.inplace_predict(rows, validate_features=False),
            read_booster(bytes(trained.save_raw("ubj")), "xgboost", None),
        ),
        Compared(
            "LightGBM",
            second.predict,
            lambda rows: grown.predict(rows, num_threads=1),
            read_booster(grown.model_to_string().encode(), "lightgbm", None),
        ),
    ]


def measure(compared: Compared, table: Any, rounds: int) -> Mapping[str, tuple[float, ...]]:
    """Seconds of each call: the library's with a DataFrame and with an array, and ours; the medians
    over ``rounds``.

    Raises SystemExit where a prediction differs.
    """
    predictor, signature = compared.ours.predictor, compared.ours.signature
    names, read = signature.names, JsonReader(signature).read
    rows = np.ascontiguousarray(table, dtype=float)
    batch = Batch(dict(zip(names, rows.T.copy(), strict=True)), len(rows))
    frames = [table[at : at + 1] for at in range(SINGLY)]
    single = [rows[at : at + 1] for at in range(SINGLY)]
    # NaN becomes null.
    alone = [read(msgspec.json.encode(dict(zip(names, row, strict=True)))) for row in rows.tolist()]
    expected = np.asarray(compared.predict_array(rows), np.float64).tolist()
    if not (
        expected == predictor.predict(batch).values
        and expected == np.asarray(compared.predict_frame(table), np.float64).tolist()
        and expected == [predictor.predict(one).values[0] for one in alone]
    ):
        raise SystemExit(f"The predictions differ from those of {compared.name}.")
    whole = (
        lambda: compared.predict_frame(table),
        lambda: compared.predict_array(rows),
        lambda: predictor.predict(batch),
    )
    singly = (
        lambda: [compared.predict_frame(frame) for frame in frames],
        lambda: [compared.predict_array(row) for row in single],
        lambda: [predictor.predict(one) for one in alone[:SINGLY]],
    )
    return {
        "1,000 rows": _in_turn(whole, 1, rounds),
        "one row": _in_turn(singly, SINGLY, rounds),
    }


def _in_turn(calls: Sequence[Callable[[], object]], count: int, rounds: int) -> tuple[float, ...]:
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, found in zip(calls, times, strict=True):
            call()
            start = time.perf_counter()
            call()
            found.append((time.perf_counter() - start) / count)
    return tuple(map(statistics.median, times))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    table, target = housing_like(TRAINING_ROWS, seed=1)
    asked, _ = housing_like(ROWS, seed=2)
    numbers = table.select_dtypes("number").columns
    print(f"{TREES} trees of each library; all {ROWS:,} predictions equal to the last bit\n")
    print(f"{'µs (median), and ratio':29}{'DataFrame':>18}{'array':>18}{'kernel':>10}{'goal':>7}")
    with on_cores({max(os.sched_getaffinity(0))}):
        for compared in boosters(table[numbers], np.asarray(target)):
            for name, found in measure(compared, asked[numbers], rounds).items():
                *theirs, ours = found
                shown = "".join(f"{each * 1e6:10,.1f} {each / ours:6.1f}x" for each in theirs)
                label = f"{compared.name}, {name}"
                print(f"{label:29}{shown}{ours * 1e6:10,.1f}{GOALS[name]:6.0f}x")


if __name__ == "__main__":
    main()
