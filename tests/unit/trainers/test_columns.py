"""Columns are numbers, integers, booleans or strings; what is none of these is refused."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from trainers.columns import check_magnitude, feature_column, is_free_text, type_column
from trainers.errors import ColumnRefused


@pytest.mark.parametrize(
    ("values", "dtype", "type_", "array"),
    [
        ([1, None, 3], "Int64", "integer", [1.0, np.nan, 3.0]),
        ([1.0, None], "Float64", "number", [1.0, np.nan]),
        ([1.0, np.nan], "float64", "number", [1.0, np.nan]),
        ([True, None], "boolean", "boolean", [1.0, np.nan]),
        (["TRUE", "false", None], "string", "boolean", [1.0, 0.0, np.nan]),
        (["a", None], "string", "string", ["a", np.nan]),
        (["a", None], "object", "string", ["a", np.nan]),
        (["a", "b"], "category", "string", ["a", "b"]),
        ([1, 2, None], "category", "integer", [1.0, 2.0, np.nan]),
        ([Decimal("1.5"), None], "object", "number", [1.5, np.nan]),
    ],
)
def test_column_types_do_not_depend_on_the_pandas_dtype(values, dtype, type_, array):
    typed = type_column("x", pd.Series(values, dtype=dtype))

    assert typed.type == type_
    assert typed.array.dtype == (object if type_ == "string" else np.float64)
    assert list(map(repr, typed.array.tolist())) == list(map(repr, array))
    assert typed.missing_count == sum(pd.isna(value) for value in values)


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(pd.to_datetime(["2026-01-01", "2026-01-02"])),
        pd.Series([dt.date(2026, 1, 1), None]),
        pd.Series(["2026-01-01", "2026-02-01"]),
        pd.Series(["2026-01-01T10:00:00Z", None]),
        pd.Series(["2026-01-01 10:00:00.5+01:00"]),
        pd.Series(["31.12.2026", "1.1.2027"]),
        pd.Series(["12/31/2026", "1/1/2027"]),
    ],
)
def test_dates_are_dates_however_they_are_written(values):
    assert type_column("sold", values).type == "date"


def test_text_containing_a_date_is_text():
    assert type_column("x", pd.Series(["2026-01-01 in Ghent", "10-20", "3/4"])).type == "string"


def test_infinite_values_are_refused_with_their_row():
    with pytest.raises(ColumnRefused, match="infinite values, the first in data row 2"):
        type_column("x", pd.Series([1.0, np.inf]))


def test_values_of_another_type_are_refused():
    with pytest.raises(ColumnRefused, match="holds values of the type 'list'"):
        type_column("x", pd.Series([[1], [2]]))
    with pytest.raises(ColumnRefused, match="holds values of the type 'Timedelta'"):
        type_column("x", pd.Series(pd.to_timedelta([1, 2], unit="s")))


@pytest.mark.parametrize("values", [[None, None], [np.nan, np.nan]])
def test_a_feature_without_any_value_is_refused(values):
    with pytest.raises(ColumnRefused, match="has no value in any row"):
        feature_column("x", pd.Series(values), 1e30)


def test_text_that_is_unique_in_every_row_is_refused_as_a_feature():
    names = pd.Series([f"customer {row}" for row in range(60)])

    with pytest.raises(ColumnRefused, match=r"60 values in 60 rows.*Exclude it"):
        feature_column("name", names, 1e30)


def test_any_number_of_categories_is_a_feature():
    column = pd.Series([f"c{row % 1001}" for row in range(3000)])

    assert feature_column("x", column, 1e30).type == "string"


def test_texts_of_several_words_are_free_text_where_they_differ():
    words = [f"the order number {row} came late" for row in range(60)]

    assert is_free_text(np.array(words, dtype=object))
    assert not is_free_text(np.array(words[:1] * 60, dtype=object))
    assert not is_free_text(np.array([f"Mr Number {row}" for row in range(60)], dtype=object))


def test_a_few_distinct_words_are_categories():
    feature_column("x", pd.Series(["a", "b", "c"]), 1e30)


def test_numbers_too_large_to_compute_with_are_refused():
    values = type_column("x", pd.Series([1.0, -1e40]))

    check_magnitude(values, 1e150)
    with pytest.raises(ColumnRefused, match=r"magnitude 1e\+40"):
        check_magnitude(values, 3.4e38)
