"""Versions of a split have as many buckets as their weights, and few change their version."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.splits.buckets import BUCKETS, changed_ranges, first_ranges, size


@st.composite
def splits(draw):
    """Weights of 2 to 4 versions, some of them without any bucket."""
    numbers = draw(st.lists(st.integers(1, 6), min_size=2, max_size=4, unique=True))
    cuts = sorted(draw(st.integers(0, BUCKETS)) for _ in numbers[1:])
    bounds = itertools.pairwise([0, *cuts, BUCKETS])
    return {number: end - start for number, (start, end) in zip(numbers, bounds, strict=True)}


def owners(ranges):
    """The version of each bucket; fails where two have it."""
    buckets = [0] * BUCKETS
    for number, parts in ranges.items():
        for start, end in parts:
            assert not any(buckets[start:end])
            buckets[start:end] = [number] * (end - start)
    return buckets


def test_the_buckets_of_a_new_split_follow_the_numbers_of_its_versions():
    assert first_ranges({4: 525, 3: 9475}) == {3: ((0, 9475),), 4: ((9475, 10_000),)}


def test_a_version_of_weight_zero_has_no_bucket():
    assert first_ranges({3: 10_000, 4: 0}) == {3: ((0, 10_000),), 4: ()}


def test_a_version_that_grows_takes_the_highest_buckets_of_the_one_that_shrinks():
    ranges = changed_ranges(first_ranges({3: 9000, 4: 1000}), {3: 7500, 4: 2500})

    assert ranges == {3: ((0, 7500),), 4: ((7500, 10_000),)}


def test_a_version_that_is_gone_gives_all_of_its_buckets_away():
    ranges = changed_ranges(first_ranges({3: 8000, 4: 1000, 5: 1000}), {3: 9000, 5: 1000})

    assert ranges == {3: ((0, 9000),), 5: ((9000, 10_000),)}


def test_a_growing_version_takes_the_lowest_free_buckets():
    ranges = {3: ((0, 4000), (6000, 8000)), 4: ((4000, 6000),), 5: ((8000, 10_000),)}

    assert changed_ranges(ranges, {3: 5000, 4: 3000, 5: 1000, 6: 1000}) == {
        3: ((0, 4000), (6000, 7000)),
        4: ((4000, 6000), (7000, 8000)),
        5: ((8000, 9000),),
        6: ((9000, 10_000),),
    }


@given(splits())
def test_every_bucket_of_a_new_split_has_one_version(weights):
    ranges = first_ranges(weights)

    assert all(owners(ranges))
    assert {number: size(parts) for number, parts in ranges.items()} == weights


@given(st.lists(splits(), min_size=2, max_size=6))
def test_changes_move_as_few_buckets_as_the_weights_ask_for(changes):
    weights, ranges = changes[0], first_ranges(changes[0])
    for after in changes[1:]:
        before, moved = owners(ranges), changed_ranges(ranges, after)
        now = owners(moved)

        assert {number: size(parts) for number, parts in moved.items()} == after
        asked = sum(max(after[number] - weights.get(number, 0), 0) for number in after)
        assert sum(old != new for old, new in zip(before, now, strict=True)) == asked
        weights, ranges = after, moved


@given(st.lists(splits(), min_size=2, max_size=6))
def test_ranges_ascend_with_gaps_in_between(changes):
    ranges = first_ranges(changes[0])
    for after in changes[1:]:
        ranges = changed_ranges(ranges, after)
        for parts in ranges.values():
            assert all(start < end for start, end in parts)
            assert all(one[1] < next_[0] for one, next_ in itertools.pairwise(parts))


@pytest.mark.parametrize("weights", [{3: 9000, 4: 999}, {3: 10_001, 4: -1}])
def test_weights_that_are_not_shares_of_all_buckets_are_refused(weights):
    with pytest.raises(ValueError, match="the sum 10000"):
        first_ranges(weights)
    with pytest.raises(ValueError, match="the sum 10000"):
        changed_ranges(first_ranges({3: 5000, 4: 5000}), weights)
