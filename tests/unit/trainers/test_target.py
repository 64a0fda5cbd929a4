"""The target determines the task, unless the recipe overrides it."""

import numpy as np
import pandas as pd
import pytest

from trainers.columns import type_column
from trainers.errors import ClassTooRare, TargetConstant, TargetRefused, TaskRefused
from trainers.target import read_target


def target(values, kind, asked=None, dtype=None):
    return read_target(type_column("y", pd.Series(values, dtype=dtype)), kind, asked)


WORDS = ["a", "b"] * 5
FLAGS = [True, False] * 5
CODES = [0, 1, 2] * 5
AMOUNTS = [float(number) + 0.5 for number in range(15)]


@pytest.mark.parametrize(
    ("values", "kind", "task"),
    [
        (WORDS, "tree", "classification"),
        (FLAGS, "forest", "classification"),
        (CODES, "forest", "classification"),
        (list(range(15)), "tree", "regression"),
        (AMOUNTS, "forest", "regression"),
        ([float(code) for code in CODES], "tree", "regression"),
        (CODES, "linear", "regression"),
        (CODES, "logistic", "classification"),
        ([float(code) for code in CODES], "logistic", "classification"),
        (WORDS, "logistic", "classification"),
    ],
)
def test_the_task_follows_from_target_and_kind(values, kind, task):
    assert target(values, kind).task == task


def test_a_recipe_may_ask_for_the_other_task():
    assert target(CODES, "tree", "regression").task == "regression"
    assert target([float(code) for code in CODES], "tree", "classification").type == "integer"


@pytest.mark.parametrize(
    ("values", "type_", "dtype"),
    [(WORDS, "string", "U"), (CODES, "integer", "i"), (FLAGS, "boolean", "b")],
)
def test_classes_keep_their_type(values, type_, dtype):
    read = target(values, "tree")

    assert read.type == type_
    assert read.values.dtype.kind == dtype
    assert read.values.tolist() == values


def test_rows_without_a_target_are_omitted_and_counted():
    read = target([1.5, np.nan, 2.5, np.nan, 4.0], "linear")

    assert read.values.tolist() == [1.5, 2.5, 4.0]
    assert read.kept.tolist() == [True, False, True, False, True]
    assert read.dropped_count == 2


@pytest.mark.parametrize("values", [WORDS, FLAGS])
def test_linear_for_classes_is_refused_with_advice(values):
    with pytest.raises(TaskRefused, match="Use logistic, tree or forest"):
        target(values, "linear")


@pytest.mark.parametrize("values", [AMOUNTS, list(range(30)), [1e17, 2e17] * 5])
def test_logistic_for_a_quantity_is_refused_with_advice(values):
    with pytest.raises(TaskRefused, match=r"is a quantity.*Use linear, tree or forest"):
        target(values, "logistic")


@pytest.mark.parametrize(
    ("values", "kind", "asked"),
    [
        (CODES, "logistic", "regression"),
        (CODES, "linear", "classification"),
        (WORDS, "tree", "regression"),
        (AMOUNTS, "tree", "classification"),
        ([1e17, 2e17] * 5, "tree", "classification"),
    ],
)
def test_an_impossible_task_is_refused(values, kind, asked):
    with pytest.raises(TaskRefused):
        target(values, kind, asked)


@pytest.mark.parametrize(
    ("values", "shown"), [([3.0, 3.0, np.nan], "3.0"), (["a", "a"], "'a'"), ([True, True], "True")]
)
def test_a_constant_target_is_refused_with_its_value(values, shown):
    with pytest.raises(TargetConstant, match=f"is {shown} in every row"):
        target(values, "tree")


def test_a_target_without_any_value_is_refused():
    with pytest.raises(TargetRefused, match="has no value in any row"):
        target([None, None], "tree", dtype="Float64")


def test_a_class_with_one_row_is_refused_by_name():
    with pytest.raises(ClassTooRare, match="a single row of the class 'rare'"):
        target([*WORDS, "rare"], "tree")
