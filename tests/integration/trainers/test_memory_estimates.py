"""Estimates of memory are not far below what processes that train take."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.training import estimate_of, numbers, peak_of, texts
from trainers.recipe import Recipe

pytestmark = pytest.mark.slow  # a training of seconds each; test_samples.py has fast ones


@pytest.mark.parametrize(
    ("name", "made", "fields"),
    [
        ("numbers.csv", numbers, {"kind": "linear"}),
        ("numbers.csv", numbers, {"kind": "linear", "sample": 50_000}),
        ("numbers.parquet", numbers, {"kind": "linear"}),
        ("texts.csv", texts, {"kind": "tree", "params": {"max_depth": 5}}),
    ],
    ids=["text", "sample", "parquet", "categories"],
)
def test_an_estimate_is_at_least_four_fifths_of_the_peak(tmp_path: Path, name, made, fields):
    data = tmp_path / name
    table = made(100_000, np.random.default_rng(1))
    table.to_parquet(data) if data.suffix == ".parquet" else table.to_csv(data, index=False)
    recipe = Recipe.from_json({"data": str(data), "target": "y", **fields})

    assert estimate_of(recipe) >= 0.8 * peak_of(recipe)
