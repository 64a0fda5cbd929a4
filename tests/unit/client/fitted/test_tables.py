"""The types of a table's columns follow from their values, with pandas and without."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from hotswap.fitted.tables import common_types, record, table_columns
from registry.dates import from_datetimes, parse_date

GAP = [None, np.nan, pd.NA, pd.NaT]


def column(values):
    (found,) = table_columns(pd.DataFrame({"c": values}), "X")
    return found


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([1.5, 2.0], "number"),
        (np.array([1, 2], np.uint8), "integer"),
        ([True, False], "boolean"),
        (["a", "b"], "string"),
        (pd.array([1, None], "Int64"), "integer"),
        (pd.array([True, None], "boolean"), "boolean"),
        (pd.array([0.5, None], "Float64"), "number"),
        (pd.array(["a", None], "string"), "string"),
        (pd.Categorical(["a", "b"]), "string"),
        (pd.Categorical([3, 1]), "integer"),
        (np.array([1, True, 2.5], object), "number"),
        (np.array([Decimal("1.5"), 2], object), "number"),
        (pd.to_datetime(["2026-01-01", "2026-01-02"]), "date"),
        (pd.to_datetime(["2026-01-01", None], utc=True), "date"),
        (np.array(["2026-01-01", "2026-01-02"], "datetime64[D]"), "date"),
        (pd.to_timedelta([1, 2], "D"), ""),
        (np.array(["a", 1], object), ""),
        (np.array([(1,), (2,), None], object), ""),
        ([np.nan, np.nan], ""),
        ([1.0, np.inf], ""),
        ([1j, 2j], ""),
    ],
    ids=str,
)
def test_the_type_of_a_column_follows_from_its_values(values, type_):
    assert column(values).type == type_


@pytest.mark.parametrize("gap", GAP, ids=str)
def test_each_missing_value_is_one(gap):
    for values in (["a", gap], [True, gap], [2, gap]):
        found = column(np.array(values, object))
        assert found.missing.tolist() == [False, True]
        assert np.isnan(found.array[1])


def test_an_array_has_numbered_columns_or_those_of_the_model():
    assert [one.name for one in table_columns([[1, 2], [3, 4]], "X")] == ["x0", "x1"]
    assert [one.name for one in table_columns([[1, 2]], "X", ["a", "b"])] == ["a", "b"]
    with pytest.raises(ValueError, match="X has 2 columns; the model takes 3"):
        table_columns([[1, 2]], "X", ["a", "b", "c"])


def test_one_dimension_is_one_column():
    (texts,) = table_columns(["a", "b"], "X")
    assert (texts.name, texts.type, texts.array.tolist()) == ("x0", "string", ["a", "b"])
    (named,) = table_columns(pd.Series([1.5, None], name="size"), "X")
    assert (named.name, named.type, named.gaps) == ("size", "number", True)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ([[[1]]], r"shape \(1, 1, 1\)"),
        ([], r"shape \(0, 1\)"),
        (pd.DataFrame({"a": []}), "0 rows and 1 columns"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns named 'a'"),
    ],
    ids=["three dimensions", "nothing", "no row", "a name twice"],
)
def test_what_is_no_table_is_refused(table, why):
    with pytest.raises(ValueError, match=why):
        table_columns(table, "X")


def test_a_type_holds_for_training_and_test_rows():
    train = table_columns(pd.DataFrame({"a": [1, 2], "b": [1, 2], "c": ["x", "y"]}), "X_train")
    test = table_columns(pd.DataFrame({"a": [1.5], "b": [np.nan], "c": [3]}), "X_test")
    assert [one.type for one in common_types(train, test)] == ["number", "integer", ""]


def test_a_record_has_plain_values():
    frame = pd.DataFrame({"n": [1.5], "i": [2], "b": [True], "s": ["x"], "m": [None]})
    frame["i"] = frame["i"].astype("Int64")
    values = record([one for one in table_columns(frame, "X") if one.type], 0)
    assert values == {"n": 1.5, "i": 2, "b": True, "s": "x"}
    assert [type(value) for value in values.values()] == [float, int, bool, str]


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Rome"])
def test_dates_are_the_seconds_that_the_registry_counts(zone):
    moments = pd.Series(pd.to_datetime(["2026-01-31 12:00:00.25", "1969-12-31 00:00:00.0", None]))
    moments = moments.dt.tz_localize(zone)
    found = column(moments)
    in_utc = moments if zone is None else moments.dt.tz_convert(None)
    expected = from_datetimes(in_utc.to_numpy())
    assert np.array_equal(found.array, expected, equal_nan=True)
    assert found.missing.tolist() == [False, False, True]
    text = record([found], 0)["c"]
    assert parse_date(text) == np.floor(expected[0])
