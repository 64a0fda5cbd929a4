"""The profile of a model's data: bins at quantiles, frequent values, and held-out predictions."""

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from hotswap.evaluation.column_ranges import MAX_TEXT, column_ranges
from hotswap.evaluation.predicted import Predicted
from hotswap.evaluation.profile import BINS, MOVED, profile
from trainers.columns import type_column

NUMBERS = Predicted(np.arange(4.0), np.array([1.0, 2.0, 3.0, 6.0]))


def profiled(made=NUMBERS, rows=None, **columns):
    typed = [type_column(name, pd.Series(values)) for name, values in columns.items()]
    rows = np.arange(len(next(iter(columns.values())))) if rows is None else rows
    return profile(typed, rows, column_ranges(typed, rows), made)


def counted(values, edges):
    """How many of ``values`` are in each bin, counted one by one."""
    ends = [-np.inf, *edges, np.inf]
    return [sum(low <= value < high for value in values) for low, high in pairwise(ends)]


def test_numbers_are_counted_in_bins_of_about_equal_size():
    values = np.random.default_rng(0).normal(size=10_000)
    found = profiled(x=values)["columns"]["x"]

    assert len(found["edges"]) == BINS - 1
    assert found["edges"] == pytest.approx(np.quantile(values, np.arange(1, BINS) / BINS), abs=0.01)
    assert found["counts"] == pytest.approx([10_000 // BINS] * BINS, rel=0.04)
    assert found["counts"] == counted(values, found["edges"])
    assert (found["min"], found["max"], found["missing"]) == (values.min(), values.max(), 0)


@pytest.mark.parametrize(
    "values",
    [
        [0.0] * 50 + [1.0] * 50,
        [0.0] * 99 + [1.0],
        [1.0, 2.0, 2.0, 2.0, 3.0, 5.0, 8.0],
        np.random.default_rng(1).integers(0, 5, 1_000).astype(float).tolist(),
        np.round(np.random.default_rng(2).exponential(size=500), 1).tolist(),
    ],
)
def test_equal_edges_are_merged_and_no_bin_is_empty(values):
    found = profiled(x=values)["columns"]["x"]

    assert found["edges"] == sorted(set(found["edges"]))
    assert len(found["counts"]) == len(found["edges"]) + 1
    assert found["counts"] == counted(values, found["edges"])
    assert min(found["counts"]) > 0


def exact_edges(values):
    """The values at the sixteenths, without the least one."""
    ordered = np.sort(values)
    edges = np.unique(ordered[np.arange(1, BINS) * len(ordered) // BINS])
    return edges[edges > ordered[0]]


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(3).normal(size=5_000),
        np.random.default_rng(4).lognormal(sigma=3, size=300),
        1.7e9 + 86_400 * np.random.default_rng(5).integers(0, 1_000, 2_000),
        np.random.default_rng(6).choice([0.0, 1 / 3, 2 / 3, 1.0], 1_000),
        np.random.default_rng(7).uniform(size=1_000) * 1e-300,
        1e6 + np.random.default_rng(8).uniform(size=1_000),
    ],
)
def test_edges_have_few_digits_and_count_almost_the_same_values(values):
    exact = exact_edges(values)
    edges = np.array(profiled(x=values)["columns"]["x"]["edges"])
    moved = np.diff(np.searchsorted(np.sort(values), [edges, exact]), axis=0)

    assert (edges <= exact).all()
    assert (edges > np.r_[values.min(), exact[:-1]]).all()
    assert (exact - edges <= 0.01 * np.minimum(abs(exact), exact[-1] - exact[0])).all()
    assert moved.max() <= MOVED * len(values) / BINS
    assert sum(len(repr(edge)) for edge in edges.tolist()) <= 12 * len(edges)


def test_an_edge_of_few_digits_is_the_value_itself():
    """A bin starts at a frequent value such as 0 or a price."""
    values = [*[-0.25] * 30, *[0.0] * 30, *[9.99] * 30, *[19.95] * 30]
    assert profiled(x=values)["columns"]["x"]["edges"] == [0.0, 9.99, 19.95]


def test_a_constant_column_has_one_bin_and_missing_values_none():
    columns = profiled(x=[7.0, None, 7.0, 7.0])["columns"]
    assert columns["x"] == {"edges": [], "counts": [3], "missing": 1, "min": 7.0, "max": 7.0}


def test_only_the_rows_trained_on_are_described():
    found = profiled(rows=np.array([0, 2]), x=[1, 99, 3], t=["a", "b", "a"])
    assert found["rows"] == 2
    assert found["columns"]["x"]["max"] == 3.0
    assert found["columns"]["t"] == {"values": {"a": 2}, "other": 0, "missing": 0}


def test_rare_values_are_counted_together():
    texts = ["a"] * 500 + ["b"] * 496 + ["c"] * 4
    found = profiled(t=texts, flag=[True] * 999 + [False])["columns"]
    assert found["t"] == {"values": {"a": 500, "b": 496}, "other": 4, "missing": 0}
    assert found["flag"] == {"values": {"true": 999}, "other": 1, "missing": 0}


def test_a_long_text_is_not_quoted():
    found = profiled(t=["x" * (MAX_TEXT + 1), "short"])["columns"]["t"]
    assert found == {"values": {"short": 1}, "other": 1, "missing": 0}


def test_the_output_of_a_regression_has_bins_and_a_spread():
    output = profiled(x=[1.0, 2.0])["output"]
    assert output["source"] == "held-out"
    assert output["counts"] == counted(NUMBERS.predicted, output["edges"])
    assert output["sd"] == pytest.approx(NUMBERS.predicted.std())


def test_the_output_of_a_classifier_counts_classes_and_how_sure_it_is():
    classes = np.array(["a", "b", "c"])
    probabilities = np.array([[0.5, 0.4, 0.1], [0.95, 0.05, 0.0], [0.0, 1.0, 0.0]])
    made = Predicted(np.array(["a", "a", "b"]), np.array(["a", "a", "b"]), probabilities, classes)
    output = profiled(made, x=[1.0, 2.0])["output"]

    assert output["values"] == {"a": 2, "b": 1, "c": 0}
    sure = output["largest_probability"]
    assert sure["edges"] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert sure["counts"] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 2]


def test_a_classifier_without_probabilities_has_classes_alone():
    labels = np.array([True, False])
    output = profiled(Predicted(labels, labels, None, np.array([False, True])), x=[1.0])["output"]
    assert output == {"values": {"false": 1, "true": 1}, "other": 0, "source": "held-out"}


def test_ten_columns_of_doubles_take_less_than_three_kilobytes():
    draws = np.random.default_rng(0)
    columns = {f"column_{index}": draws.normal(size=5_000) for index in range(10)}
    assert len(json.dumps(profiled(**columns), separators=(",", ":"))) < 3_000
