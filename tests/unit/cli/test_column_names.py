"""Names of columns in options are those of the data, whatever signs they have."""

import click
import pytest

from cli.column_names import column_names, divided, prepared_column


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["a"], ["a"]),
        (["a,b"], ["a", "b"]),
        (["a, b ,c"], ["a", "b", "c"]),
        (["a", "b,c"], ["a", "b", "c"]),
        ([" workclass"], [" workclass"]),
        (['" workclass",age'], [" workclass", "age"]),
        (['"rooms, total"'], ["rooms, total"]),
        (['a,"rooms, total" ,b'], ["a", "rooms, total", "b"]),
        (['size "inner"'], ['size "inner"']),
        (['5" pipe'], ['5" pipe']),
        (['"size ""inner"""'], ['size "inner"']),
        (["a.b=c"], ["a.b=c"]),
        (["größe (m²)"], ["größe (m²)"]),
        (["a,,b,"], ["a", "b"]),
        ([""], []),
    ],
)
def test_a_name_is_taken_as_it_is_and_a_list_is_divided(texts, names):
    assert column_names(texts) == names


@pytest.mark.parametrize(
    ("text", "name", "pair"),
    [
        ("income.log=true", "income", "log=true"),
        (" income.log = true", " income", "log = true"),
        ("a.b.type=category", "a.b", "type=category"),
        ("a=b.scale=false", "a=b", "scale=false"),
        ('size, "inner".impute={ constant = 1 }', 'size, "inner"', "impute={ constant = 1 }"),
        ("a.b.wrong=1", "a.b", "wrong=1"),
        ("x.bands={ edges = [0, 1], labels = ['a.log=b'] }", "x", None),
    ],
)
def test_a_preparation_names_any_column(text, name, pair):
    assert prepared_column(text) == (name, pair or text.removeprefix(f"{name}."))


@pytest.mark.parametrize("text", ["income", "income.log", "log=true", ".log=true"])
def test_a_preparation_without_a_column_or_a_known_key_is_refused(text):
    with pytest.raises(click.UsageError, match=r"expected COLUMN.HOW=VALUE"):
        prepared_column(text)


@pytest.mark.parametrize(
    ("key", "text", "column", "value"),
    [
        ("a", "1", "a", "1"),
        ("a", "b=1", "a=b", "1"),
        ("a", "c=1", "a", "c=1"),
        (" age", "3", " age", "3"),
        ("unknown", "x=1", "unknown", "x=1"),
    ],
)
def test_a_value_belongs_to_the_longest_column_that_fits(key, text, column, value):
    assert divided(key, text, ["a", "a=b", " age"]) == (column, value)
