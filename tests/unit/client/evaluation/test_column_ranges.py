"""What a version keeps of each column: ranges of numbers, and how often texts come."""

import numpy as np
import pandas as pd

from hotswap.evaluation.column_ranges import MAX_VALUES, column_ranges
from trainers.columns import type_column

EVERY = np.arange(4)


def ranges(values, rows=EVERY):
    return column_ranges([type_column("c", pd.Series(values))], rows)["c"]


def test_numbers_have_range_and_mean():
    assert ranges([1.0, 3.0, None, 8.0]) == {"missing": 1, "min": 1.0, "max": 8.0, "mean": 4.0}


def test_only_the_rows_trained_on_count():
    assert ranges([1, 3, 9, 2], np.array([0, 1]))["max"] == 3.0


def test_texts_and_booleans_are_counted_in_order_of_frequency():
    assert ranges(["b", "a", "b", None]) == {"missing": 1, "values": {"b": 2, "a": 1}}
    assert ranges([True, False, True, True]) == {
        "missing": 0,
        "values": {"false": 1, "true": 3},
    }


def test_rare_texts_are_summed():
    texts = [f"t{index:03d}" for index in range(MAX_VALUES + 5)] * 2
    found = ranges(texts, np.arange(len(texts)))

    assert len(found["values"]) == MAX_VALUES
    assert found["other"] == 10


def test_texts_of_single_rows_are_not_listed_among_many():
    texts = [f"comment {index}" for index in range(MAX_VALUES)]
    more = [*texts, "again", "again"]

    assert len(ranges(texts, np.arange(len(texts)))["values"]) == MAX_VALUES
    assert ranges(more, np.arange(len(more))) == {
        "missing": 0,
        "values": {"again": 2},
        "other": MAX_VALUES,
    }
