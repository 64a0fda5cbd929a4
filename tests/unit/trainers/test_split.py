"""Rows are held out by the seed, of each class its share."""

import numpy as np
import pytest

from trainers.errors import TargetRefused, TooFewRows
from trainers.split import split_rows
from trainers.target import Target


def target(values, task):
    values = np.array(values)
    return Target("y", task, "number", values, np.ones(len(values), dtype=bool))


def test_every_row_is_on_one_side_and_the_seed_decides_which():
    amounts = target(np.arange(50.0), "regression")
    split = split_rows(amounts, 0.2, 3, "t")

    assert len(split.test) == 10
    assert sorted([*split.train, *split.test]) == list(range(50))
    assert split_rows(amounts, 0.2, 3, "t").test.tolist() == split.test.tolist()
    assert split_rows(amounts, 0.2, 4, "t").test.tolist() != split.test.tolist()


def test_classes_keep_their_shares():
    classes = target(["a"] * 80 + ["b"] * 20, "classification")
    split = split_rows(classes, 0.25, 0, "t")

    assert classes.values[split.test].tolist().count("b") == 5


@pytest.mark.parametrize(("rows", "test_size"), [(2, 0.2), (3, 0.5), (10, 0.05), (10, 0.95)])
def test_too_few_rows_on_either_side_are_refused(rows, test_size):
    with pytest.raises(TooFewRows, match=f"t.csv has only {rows} rows"):
        split_rows(target(np.arange(float(rows)), "regression"), test_size, 0, "t.csv")


def test_more_classes_than_rows_held_out_are_refused():
    classes = target([f"c{row % 5}" for row in range(15)], "classification")

    with pytest.raises(TargetRefused, match=r"too many classes when 0\.2 of 15 rows"):
        split_rows(classes, 0.2, 0, "t")


def test_a_class_that_would_be_missing_from_training_is_refused_by_name():
    classes = target(["a"] * 96 + ["rare"] * 2, "classification")

    with pytest.raises(TargetRefused, match="loses 'rare' from the rows to train on"):
        split_rows(classes, 0.9, 0, "t")
