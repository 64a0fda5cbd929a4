"""A sample has as many rows as requested, and classes keep their shares."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.sampling import LEAST, Sample, SampleRule, shares


def sampled(values, rows, seed=0, task=None):
    """The positions of the rows that are drawn."""
    sample = Sample(SampleRule(rows, seed, "y", task))
    for value in values:
        sample.count(value)
    return [place for place, value in enumerate(values) if sample.takes(value)], sample.drawn


@given(
    st.dictionaries(st.text(max_size=2), st.integers(1, 500), min_size=1, max_size=9),
    st.integers(1, 600),
)
def test_shares_add_up_and_stay_near_the_proportions(counts, rows):
    given_rows = shares(counts, rows)
    total = sum(counts.values())

    assert sum(given_rows.values()) == min(rows, total)
    assert all(given_rows[value] <= count for value, count in counts.items())
    assert all(
        abs(given_rows[value] - rows * count / total) <= LEAST * len(counts)
        for value, count in counts.items()
        if rows < total
    )


def test_classes_keep_their_shares_and_rare_ones_two_rows():
    values = ["common"] * 8_000 + ["half"] * 1_990 + ["rare"] * 10
    rows, drawn = sampled(values, 100)

    assert Counter(values[place] for place in rows) == {"common": 79, "half": 19, "rare": 2}
    assert rows == sorted(rows)
    assert drawn.to_json() == {"rows": 100, "of": 10_000, "stratified": True}


def test_the_seed_decides_which_rows_are_drawn():
    values = [float(place) for place in range(1_000)]

    assert sampled(values, 50)[0] == sampled(values, 50)[0]
    assert sampled(values, 50)[0] != sampled(values, 50, seed=1)[0]


def test_each_row_is_as_likely_as_another():
    counts = Counter(place for seed in range(3_000) for place in sampled("aaaaaaaaaa", 3, seed)[0])

    # 900 are expected of each; the standard deviation is 25.
    assert all(800 < counts[place] < 1_000 for place in range(10))


@pytest.mark.parametrize(
    ("values", "task", "stratified"),
    [
        (["1.5"] * 9 + ["2"] * 9, None, True),
        (["1.5"] * 9 + ["2"] * 9, "regression", False),
        ([str(place) for place in range(30)], None, False),
        ([str(place) for place in range(30)], "classification", True),
        ([f"c{place}" for place in range(30)], None, True),
        ([f"c{place}" for place in range(2_000)], None, False),
    ],
)
def test_only_classes_are_stratified(values, task, stratified):
    rows, drawn = sampled(values, 10, task=task)

    assert len(rows) == 10
    assert drawn.stratified == stratified


class Text(str):
    """Notes where it is tried as a number."""

    __slots__ = ("tried",)

    def __float__(self):
        self.tried.append(self)
        raise ValueError


class Class:
    def __init__(self, number, tried):
        self._text = Text(f"c{number}")
        self._text.tried = tried

    def __str__(self):
        return self._text


def test_whether_classes_are_numbers_is_found_once_and_not_for_each_row():
    tried = []
    classes = [Class(number, tried) for number in range(30)]

    rows, drawn = sampled(classes * 50, 100)

    assert (len(rows), drawn.stratified) == (100, True)
    assert 0 < len(tried) <= 2 * len(classes)


def test_a_sample_of_more_rows_than_there_are_has_all_of_them():
    rows, drawn = sampled(["a", "b", "b"], 10)

    assert rows == [0, 1, 2]
    assert drawn.rows == 3
