"""The split of an alias: which versions answer, with what weights, and what each has answered."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from api.key_counts import shares_of
from console.formats import parse_time
from registry.reading.splits import split_of
from registry.reading.views import View
from registry.storage.tables import utc_now
from registry.watching.recorded_traffic import HOUR, Figures, figures_of, read_traffic
from registry.watching.split_shares import SplitShares
from registry.watching.traffic import MINUTE, floor

WIDTH = 100.0
"""Of the bar of weights."""


class Arm(NamedTuple):
    """A version of a split. ``start`` and ``weight``: its part of the bar, in percent.

    ``share``: its part of the requests that were recorded; ``key_share``: its part of the distinct
    keys. None: there were none.
    """

    version: int
    weight: float
    start: float
    is_champion: bool
    figures: Figures
    share: float | None
    key_share: float | None


class SplitShown(NamedTuple):
    """``split`` as ``registry.reading.splits`` views it; ``requests``: all that were recorded since
    its weights were changed, of the last hour at most; ``keys``: what is known about keys."""

    split: View
    arms: Sequence[Arm]
    requests: int
    keys: SplitShares | None


def split_shown(session: Session, model: str, alias: str) -> SplitShown:
    """What a page shows of the split of ``alias``. Raises SplitNotFound."""
    split = split_of(session, model, alias)
    now = utc_now()
    # The minute of the change has requests of the weights before.
    since = max(floor(parse_time(split["since"]), MINUTE) + MINUTE, now - HOUR)
    rows = [
        row
        for row in read_traffic(session, [model], MINUTE, since, now + MINUTE)
        if row.alias == alias
    ]
    figures = {
        arm["version"]: figures_of(row for row in rows if row.version == arm["version"])
        for arm in split["arms"]
    }
    total = sum(one.requests for one in figures.values())
    keys = shares_of(session, model, alias)
    arms, start = [], 0.0
    for arm in split["arms"]:
        number, weight = arm["version"], float(arm["weight"])
        its = figures[number]
        share = its.requests / total if total else None
        arms.append(
            Arm(
                version=number,
                weight=weight,
                start=start,
                is_champion=number == split["version"],
                figures=its,
                share=share,
                key_share=keys.arms[number].keys if keys and number in keys.arms else None,
            )
        )
        start += weight
    return SplitShown(split, arms, total, keys)
