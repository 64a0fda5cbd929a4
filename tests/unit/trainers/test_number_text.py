"""Numbers are read as people write them; other text is not taken for a number."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.cells import FORMS
from trainers.number_text import NumberFormat, read_numbers, unit_of

DOT, COMMA, SPACE, _, SWISS = FORMS
MARKS = [("", ""), ("$", ""), ("", "%"), ("", " €"), ("CHF ", "")]


def read(text, form=DOT):
    found = read_numbers([text], form)
    return float(found.values[0]), found.marks[0], found.is_whole


@pytest.mark.parametrize(
    ("text", "form", "number", "mark", "is_whole"),
    [
        ("12", DOT, 12.0, "", True),
        (" -12 ", DOT, -12.0, "", True),
        ("1,234", DOT, 1234.0, "", True),
        ("1,234.5", DOT, 1234.5, "", False),
        ("1,234", COMMA, 1.234, "", False),
        ("1.234,5", COMMA, 1234.5, "", False),
        ("1 234", SPACE, 1234.0, "", True),
        ("1\u00a0234.5", SPACE, 1234.5, "", False),
        ("1'234'567", SWISS, 1234567.0, "", True),
        ("12,34,567", DOT, 1234567.0, "", True),
        ("0.125", DOT, 0.125, "", False),
        (".5", DOT, 0.5, "", False),
        ("5.", DOT, 5.0, "", False),
        ("1e3", DOT, 1000.0, "", False),
        ("$1,234", DOT, 1234.0, "$", False),
        ("-$5", DOT, -5.0, "$", False),
        ("$-5", DOT, -5.0, "$", False),
        ("($5.50)", DOT, -5.5, "$", False),
        ("12 €", DOT, 12.0, "€", False),
        ("US$5", DOT, 5.0, "US$", False),
        ("62.1%", DOT, 62.1, "%", False),
        ("62,1 %", COMMA, 62.1, "%", False),
        ("\u22125", DOT, -5.0, "", True),
    ],
)
def test_a_number_is_read(text, form, number, mark, is_whole):
    assert read(text, form) == (number, mark, is_whole)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", DOT),
        (".", DOT),
        ("-", DOT),
        ("$", DOT),
        ("%", DOT),
        ("1,5", DOT),
        ("1.5", COMMA),
        ("12,34", DOT),
        ("0,125", DOT),
        ("0.125", COMMA),
        ("1.2.3", DOT),
        ("1.2.3", COMMA),
        ("31.12.2026", COMMA),
        ("1,234,56", DOT),
        ("1 2", DOT),
        ("--5", DOT),
        ("-(5)", DOT),
        ("(5", DOT),
        ("5)", DOT),
        ("$5€", DOT),
        ("5%%", DOT),
        ("1_000", DOT),
        ("nan", DOT),
        ("inf", DOT),
        ("0x1f", DOT),
        ("\u0663", DOT),
        ("1\n2", DOT),
        ("12 kg", DOT),
    ],
)
def test_what_is_no_number_is_none(text, form):
    assert math.isnan(read(text, form)[0])
    # Beside others, which are read together where all are written alike.
    together = read_numbers(["1", text, "2"], form).values
    assert together[[0, 2]].tolist() == [1.0, 2.0]
    assert math.isnan(together[1])


def written(number, form, mark):
    whole, _, fraction = f"{abs(number):,}".partition(".")
    digits = whole.replace(",", form.thousands) + (f"{form.decimal}{fraction}" if fraction else "")
    return f"{'-' if number < 0 else ''}{mark[0]}{digits}{mark[1]}"


@given(
    st.lists(st.decimals(-(10**9), 10**9, places=3).map(float), min_size=1, max_size=20),
    st.sampled_from(FORMS),
    st.sampled_from(MARKS),
)
def test_what_is_written_in_a_form_is_read_to_the_last_bit(numbers, form, mark):
    found = read_numbers([written(number, form, mark) for number in numbers], form)

    assert found.values.tolist() == numbers
    assert set(found.marks) == {"".join(mark).strip()}


@given(
    st.lists(st.text("0123456789.,-+$% '()eE\n", min_size=1, max_size=8), min_size=1, max_size=5),
    st.sampled_from(FORMS),
)
def test_texts_are_read_together_as_each_by_itself(texts, form):
    together = read_numbers(texts, form)
    each = [read_numbers([text], form) for text in texts]

    np.testing.assert_array_equal(together.values, [one.values[0] for one in each])
    assert together.marks == tuple(one.marks[0] for one in each)
    numbers = [one for one in each if one.found.all()]
    if together.found.all():
        assert together.is_whole == all(one.is_whole for one in numbers)


def test_units_are_counted():
    assert unit_of(["12 kg", "1,200.5kg", "3 lb", "kg", "4"], DOT) == {"kg": 2, "lb": 1}
    assert read_numbers(["12 kg", "5"], DOT, "kg").values.tolist() == [12.0, 5.0]
    assert unit_of(["20-29", "3/4", "1:30", "4 (5)"], NumberFormat()) == {}
