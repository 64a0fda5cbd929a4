"""The rule of splits, implemented twice."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bucket_rule import BUCKETS, Buckets, bucket_of
from registry.splits.buckets import changed_ranges, first_ranges

Weights = dict[int, int]


@st.composite
def weights(draw: st.DrawFn) -> Weights:
    """Of two to four versions, in basis points."""
    numbers = draw(st.lists(st.integers(1, 9), min_size=2, max_size=4, unique=True))
    ends = draw(
        st.lists(st.integers(0, BUCKETS), min_size=len(numbers) - 1, max_size=len(numbers) - 1).map(
            sorted
        )
    )
    starts = [0, *ends]
    shares = [end - start for start, end in zip(starts, [*ends, BUCKETS], strict=True)]
    return dict(zip(numbers, shares, strict=True))


@given(st.lists(weights(), min_size=1, max_size=6))
def test_both_give_each_bucket_to_the_same_version_after_any_changes(changes):
    first, *later = changes
    ranges = first_ranges(first)
    buckets = Buckets(_percent(first))
    for change in later:
        ranges = changed_ranges(ranges, change)
        buckets.change(_percent(change))

    for number, owned in ranges.items():
        for start, end in owned:
            assert buckets.owners[start:end] == [number] * (end - start)
    assert sum(end - start for owned in ranges.values() for start, end in owned) == BUCKETS


def test_the_bucket_of_a_key_is_that_of_another_library():
    """The digest is that of OpenSSL's BLAKE2BMAC, with 16 zeros as the salt."""
    digest = bytes.fromhex("44cb16e6596b079868cdb0bede7e1ab6")

    assert bucket_of(b"a customer", bytes(16)) == int.from_bytes(digest[:8], "little") % BUCKETS


def _percent(shares: Weights) -> dict[int, float]:
    return {number: share / 100 for number, share in shares.items()}
