"""The real shares of the versions of a split, of the requests and of the keys."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from registry.live.references import Alias
from registry.reading.views import View
from registry.splits.buckets import BUCKETS, size
from registry.splits.choice import Split
from registry.splits.shares import probability_of
from registry.watching.key_counts import Clock, KeyCounts, KeyFigures, read_keys


class ArmShare(NamedTuple):
    """``expected``: the share that its weight is. ``keys``: its share of the distinct keys;
    ``probability``: that of a share of keys which is as far from ``expected``, or further."""

    expected: float
    requests: int
    share: float
    keys: float
    probability: float


class SplitShares(NamedTuple):
    """``keys``: how many distinct keys there were. ``largest``: the share of the requests that the
    key with the most has. All since the weights were changed, in this hour and the one before."""

    arms: Mapping[int, ArmShare]
    keys: int
    largest: float


def read_shares(
    folder: Path,
    alias: Alias,
    split: Split,
    clock: Clock | None = None,
    *,
    others: Iterable[KeyCounts] = (),
) -> SplitShares | None:
    """The shares that the workers of the server have counted whose ``folder`` it is, with those of
    ``others``.

    None before the first request, and where the token chooses: then requests are not counted by
    key. Raises OSError.
    """
    counts = read_keys(folder, alias, split, *([] if clock is None else [clock]))
    for more in others:
        counts = counts.plus(more)
    found = counts.figures(split)
    return None if found is None else _shares(split, found)


def shares_view(shares: SplitShares | None) -> View | None:
    """The shares as plain JSON data."""
    if shares is None:
        return None
    return {
        "requests": sum(arm.requests for arm in shares.arms.values()),
        "keys": shares.keys,
        "largest_key_share": shares.largest,
        "arms": [
            {
                "version": number,
                "requests": arm.requests,
                "request_share": arm.share,
                "key_share": arm.keys,
            }
            for number, arm in shares.arms.items()
        ],
    }


def _shares(split: Split, found: KeyFigures) -> SplitShares:
    requests, keys = sum(found.requests.values()), sum(found.sampled.values())
    arms = {}
    for number in split.numbers:
        expected = size(split.ranges[number]) / BUCKETS
        its = found.sampled[number]
        arms[number] = ArmShare(
            expected,
            found.requests[number],
            found.requests[number] / requests,
            its / keys,
            probability_of(its, keys, expected),
        )
    return SplitShares(arms, found.keys, found.largest)
