"""Rows are held out by the seed, of each class its share."""

import numpy as np
import pandas as pd
import pytest

from trainers.errors import ColumnRefused, TargetRefused, TooFewRows
from trainers.split import folds, read_keys, split_rows
from trainers.split_rule import SplitRule
from trainers.target import Target


def target(values, task):
    values = np.array(values)
    return Target("y", task, "number", values, np.ones(len(values), dtype=bool))


def test_every_row_is_on_one_side_as_the_seed_determines():
    amounts = target(np.arange(50.0), "regression")
    split = split_rows(amounts, 0.2, 3, "t")

    assert len(split.test) == 10
    assert sorted([*split.train, *split.test]) == list(range(50))
    assert split_rows(amounts, 0.2, 3, "t").test.tolist() == split.test.tolist()
    assert split_rows(amounts, 0.2, 4, "t").test.tolist() != split.test.tolist()


def test_a_stratified_split_keeps_the_shares_of_classes():
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

    with pytest.raises(TargetRefused, match="has no training row of 'rare'"):
        split_rows(classes, 0.9, 0, "t")


def keys(values, rule):
    return read_keys(rule.column, pd.Series(values), rule)


def test_a_split_by_group_keeps_groups_together():
    rule = SplitRule("group", "shop")
    amounts = target(np.arange(60.0), "regression")
    shops = [f"shop {row % 12}" for row in range(60)]
    split = split_rows(amounts, 0.25, 1, "t", rule=rule, keys=keys(shops, rule))
    sides = [{shops[row] for row in side} for side in (split.train, split.test)]

    assert len(sides[1]) == 3
    assert sides[0].isdisjoint(sides[1])
    assert len(split.train) + len(split.test) == 60


@pytest.mark.parametrize(
    "times",
    [
        [f"2026-01-{day:02d}" for day in range(20, 0, -1)],
        [f"2026-01-01T{hour:02d}:00:00Z" for hour in range(20, 0, -1)],
        list(range(20, 0, -1)),
        pd.date_range("2026-01-01", periods=20)[::-1],
        ["9999-12-31"] * 4 + [f"2026-01-{day:02d}" for day in range(16, 0, -1)],
        [f"2026-01-{day:02d}" for day in range(20, 1, -1)] + ["1600-01-01"],
        [f"{day}.01.2026" for day in range(20, 0, -1)],
        np.array([f"{year}-01-01" for year in range(9999, 9979, -1)], dtype="datetime64[s]"),
    ],
)
def test_a_split_by_time_holds_out_the_latest_rows(times):
    rule = SplitRule("time", "sold_at")
    amounts = target(np.arange(20.0), "regression")

    split = split_rows(amounts, 0.2, 1, "t", rule=rule, keys=keys(times, rule))

    assert sorted(split.test) == [0, 1, 2, 3]


def test_rows_of_the_same_time_are_on_one_side():
    rule = SplitRule("time", "year")
    amounts = target(np.arange(20.0), "regression")

    split = split_rows(amounts, 0.1, 1, "t", rule=rule, keys=keys([1] * 12 + [2] * 8, rule))

    assert sorted(split.test) == list(range(12, 20))


@pytest.mark.parametrize(
    ("rule", "values", "reported"),
    [
        (SplitRule("group", "g"), ["a"] * 20, "makes 1 groups"),
        (SplitRule("time", "g"), [3] * 20, "has the same time in too many rows"),
        (SplitRule("time", "g"), ["soon"] * 20, "'g' is a column of dates, and holds 'soon'"),
        (SplitRule("group", "g"), ["a"] * 19 + [None], "'g' has no value in 1 rows"),
    ],
)
def test_an_unsuitable_column_to_split_by_is_refused(rule, values, reported):
    amounts = target(np.arange(20.0), "regression")
    with pytest.raises(ColumnRefused, match=reported):
        split_rows(amounts, 0.2, 0, "t", rule=rule, keys=keys(values, rule))


def test_a_split_without_a_class_is_refused_by_name():
    rule = SplitRule("time", "year")
    classes = target(["old"] * 10 + ["new"] * 10, "classification")

    with pytest.raises(TargetRefused, match="has no training row of 'new'"):
        split_rows(classes, 0.5, 0, "t", rule=rule, keys=keys(range(20), rule))


def test_classes_split_at_random_need_not_keep_their_shares():
    classes = target(["a"] * 80 + ["b"] * 20, "classification")
    shares = [
        split_rows(classes, 0.25, seed, "t", rule=SplitRule("random")).test for seed in range(5)
    ]

    assert {(classes.values[rows] == "b").sum() for rows in shares} != {5}


def test_a_quantity_cannot_be_stratified():
    with pytest.raises(TargetRefused, match="stratified split requires classes"):
        split_rows(target(np.arange(9.0), "regression"), 0.3, 0, "t", rule=SplitRule("stratified"))


TRAIN = np.arange(5, 65)


@pytest.mark.parametrize("way", [None, "random", "group", "time"])
def test_folds_follow_the_rule_of_the_split(way):
    rule = SplitRule(way, "k" if way in {"group", "time"} else "")
    amounts = target(np.arange(80.0), "regression")
    own = keys([row // 4 for row in range(80)], rule)
    made = folds(amounts, TRAIN, 4, 0, rule=rule, keys=own)

    assert len(made) == 4
    for fold in made:
        assert not set(fold.train) & set(fold.test)
        assert set(fold.train) | set(fold.test) <= set(TRAIN)
        if way == "group":
            assert not set(own[fold.train]) & set(own[fold.test])
        if way == "time":
            assert own[fold.train].max() < own[fold.test].min()
    if way != "time":
        assert sorted(row for fold in made for row in fold.test) == TRAIN.tolist()


@pytest.mark.parametrize(
    ("rule", "values", "task", "error", "reported"),
    [
        (SplitRule("group", "k"), range(2), "regression", ColumnRefused, "2 different values"),
        (SplitRule("time", "k"), range(4), "regression", ColumnRefused, "4 different values"),
        (SplitRule(), None, "classification", TargetRefused, "a class with 3 rows to train on"),
        (
            SplitRule("random"),
            None,
            "classification",
            TargetRefused,
            "has no training row of 'rare'",
        ),
    ],
)
def test_more_folds_than_possible_are_refused(rule, values, task, error, reported):
    labels = np.array(["often"] * 57 + ["rare"] * 3)
    if rule.by == "random":
        labels = np.array(["often"] * 59 + ["rare"])
    goal = target(labels if task == "classification" else np.arange(60.0), task)
    own = None if values is None else keys([values[row % len(values)] for row in range(60)], rule)

    with pytest.raises(error, match=reported):
        folds(goal, np.arange(60), 4, 0, rule=rule, keys=own)


def test_folds_with_fewer_than_two_rows_are_refused():
    with pytest.raises(TooFewRows, match="5 folds need at least two rows each"):
        folds(target(np.arange(9.0), "regression"), np.arange(9), 5, 0)
