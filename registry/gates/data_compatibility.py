"""Whether two versions were trained on data of the same meaning, by the profiles of their columns.

docs/decisions/0054-data-compatible.md explains the statistics and their limits.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from statistics import NormalDist, median
from typing import Any

from registry.signature import Column, Signature

Profile = Mapping[str, Any]
"""The profile of a version as JSON, which was checked when the version was registered."""
Shares = Sequence[float]

MAX_DISTANCE = 0.4
"""The Jensen-Shannon distance beyond which values lie elsewhere: a shift of about one standard
deviation."""
MIN_SCALE = 1.5
MAX_REPLACED = 0.02
MAX_MISSING = 0.1
_CONFIDENCE = 0.999
_DEVIATIONS = 3.0
_SCALE_SPREAD = 0.1
_LEVELS = [level / 16 for level in range(2, 15)]
_MIN_LEVELS = 5
_MOST_OUTPUTS = (0.1, 0.9)
_RENAMED_DISTANCE = 0.1
_NUMBERS = frozenset({"number", "integer"})


@dataclass(frozen=True, slots=True)
class Described:
    """A version's signature and profile."""

    signature: Signature
    profile: Profile

    @property
    def columns(self) -> dict[str, Column]:
        """The columns that the profile describes."""
        described = self.profile["columns"]
        return {column.name: column for column in self.signature.inputs if column.name in described}

    def of(self, name: str) -> Profile:
        """The profile of one column."""
        column: Profile = self.profile["columns"][name]
        return column


def changes(candidate: Described, champion: Described) -> Iterator[str]:
    """What differs so much that it is likely to be another unit, another vocabulary or a fault."""
    own, before = candidate.columns, champion.columns
    renamed = dict(_renamed(candidate, champion))
    for name, column in before.items():
        if name in own:
            yield from _column_changes(own[name], column, candidate.of(name), champion.of(name))
        elif name in renamed:
            yield f"the column {name!r} seems to be renamed to {renamed[name]!r}"
    yield from _output_changes(candidate, champion)


def _column_changes(
    column: Column, before: Column, own: Profile, champion: Profile
) -> Iterator[str]:
    name = column.name
    if _kind(column) != _kind(before):
        yield f"the column {name!r} is of the type {column.type}, it was {before.type}"
        return
    share, other = _missing(own), _missing(champion)
    error = _share_error((share, _rows(own)), (other, _rows(champion)))
    if abs(share - other) > MAX_MISSING + _DEVIATIONS * error:
        yield f"the column {name!r} has no value in {share:.0%} of the rows, it was {other:.0%}"
    if _present(own) and _present(champion):
        if column.type in _NUMBERS:
            yield from _number_changes(name, own, champion)
        elif column.type != "date":
            yield from _text_changes(name, own, champion)


def _number_changes(name: str, own: Profile, champion: Profile) -> Iterator[str]:
    shares = _in_bins_of(champion, own)
    distance, noise = _distance(*shares), _noise(len(shares[0]), own, champion)
    medians = f"its median is {_quantile(own, 0.5):.6g}, it was {_quantile(champion, 0.5):.6g}"
    scale = _scale(own, champion)
    if scale is not None and distance > noise:
        yield (
            f"the column {name!r} seems to have another unit: its quantiles are {scale:.4g} times "
            f"those of the champion; {medians}"
        )
    elif distance > MAX_DISTANCE + noise:
        yield f"the values of the column {name!r} lie elsewhere: {medians}{_said(distance, noise)}"


def _text_changes(name: str, own: Profile, champion: Profile) -> Iterator[str]:
    known, present = champion["values"], own["values"]
    new = {text: count for text, count in present.items() if text not in known}
    gone = {text: count for text, count in known.items() if text not in present}
    rows, others = _present(own), _present(champion)
    # Rare values are counted together in ``other``, so any of these may be among them.
    appeared = (sum(new.values()) / rows) - champion["other"] / others
    vanished = (sum(gone.values()) / others) - own["other"] / rows
    replaced = min(appeared, vanished)
    error = _share_error((max(replaced, 0.0), rows), (0.0, others))
    if replaced > MAX_REPLACED + _DEVIATIONS * error:
        yield (
            f"values of the column {name!r} are replaced: {_listed(gone)} of the champion are gone "
            f"({vanished:.0%} of its rows), {_listed(new)} are new ({appeared:.0%})"
        )
        return
    listed = [*dict.fromkeys([*known, *present])]
    shares = [
        [*(one["values"].get(text, 0) / total for text in listed), one["other"] / total]
        for one, total in ((own, rows), (champion, others))
    ]
    distance, noise = _distance(*shares), _noise(len(listed) + 1, own, champion)
    if distance > MAX_DISTANCE + noise:
        top = (max(one["values"], key=one["values"].get, default="") for one in (own, champion))
        most, was = top
        yield (
            f"the values of the column {name!r} are distributed otherwise: the most frequent is "
            f"{most!r}, it was {was!r}{_said(distance, noise)}"
        )


def _output_changes(candidate: Described, champion: Described) -> Iterator[str]:
    """Predictions differ from model to model, but most of them lie in the same range."""
    own, before = candidate.profile["output"], champion.profile["output"]
    if "min" not in own or "min" not in before:  # of a classification
        return
    (low, high), (least, most) = ([_quantile(one, level) for level in _MOST_OUTPUTS]
                                  for one in (own, before))  # fmt: skip
    if high < least or low > most:
        yield (
            f"80% of the predictions are {low:.6g} to {high:.6g}, the champion's {least:.6g} to "
            f"{most:.6g}: the target {candidate.signature.output.name!r} seems to have another unit"
        )


def _renamed(candidate: Described, champion: Described) -> Iterator[tuple[str, str]]:
    """Columns of the champion that the candidate has by another name: of the same type and
    distribution; of several the one with the most similar name."""
    own, before = candidate.columns, champion.columns
    free = [name for name in own if name not in before]
    for name, column in before.items():
        if name in own:
            continue
        alike = [
            other
            for other in free
            if _kind(own[other]) == _kind(column)
            and _is_alike(candidate.of(other), champion.of(name))
        ]
        if alike:
            best = max(alike, key=lambda other: SequenceMatcher(None, name, other).ratio())
            free.remove(best)
            yield name, best


def _is_alike(own: Profile, champion: Profile) -> bool:
    if not (_present(own) and _present(champion)):
        return False
    if "values" in champion and not set(own["values"]) & set(champion["values"]):
        return False
    if "values" in champion:
        listed = [*dict.fromkeys([*champion["values"], *own["values"]])]
        shares = [[one["values"].get(text, 0) / _present(one) for text in listed]
                  for one in (own, champion)]  # fmt: skip
        return _distance(*shares) <= _RENAMED_DISTANCE + _noise(len(listed), own, champion)
    binned = _in_bins_of(champion, own)
    return _distance(*binned) <= _RENAMED_DISTANCE + _noise(len(binned[0]), own, champion)


def _kind(column: Column) -> str:
    return "number" if column.type in _NUMBERS else column.type


def _rows(column: Profile) -> int:
    return int(column["missing"]) + _present(column)


def _present(column: Profile) -> int:
    """The number of rows that have a value."""
    if "counts" in column:
        return int(sum(column["counts"]))
    return int(sum(column["values"].values()) + column["other"])


def _missing(column: Profile) -> float:
    return float(column["missing"] / max(1, _rows(column)))


def _knots(column: Profile) -> tuple[list[float], list[float]]:
    """Where the share of smaller values is known, and that share."""
    at = [column["min"], *column["edges"], math.nextafter(column["max"], math.inf)]
    total, below = sum(column["counts"]), [0.0]
    for count in column["counts"]:
        below.append(below[-1] + count / total)
    below[-1] = 1.0
    return at, below


def _in_bins_of(champion: Profile, own: Profile) -> tuple[Shares, Shares]:
    """The shares of the values of ``own`` in the bins of ``champion``, with a bin below its least
    value and one above its largest, and the champion's own shares.

    Between two knots the share of smaller values is not known: the one nearest to the champion's is
    taken, so that the distance is never too large.
    """
    at, below = _knots(champion)
    own_at, own_below = _knots(own)
    reached = []
    for place, expected in zip(at, below, strict=True):
        low = bisect_right(own_at, place) - 1
        high = bisect_left(own_at, place)
        least = own_below[low] if low >= 0 else 0.0
        most = own_below[high] if high < len(own_at) else 1.0
        reached.append(min(max(expected, least), most) if low >= 0 else 0.0)
    return _differences(reached), _differences(below)


def _differences(cumulated: Shares) -> Shares:
    return [high - low for low, high in pairwise([0.0, *cumulated, 1.0])]


def _quantile(column: Profile, level: float) -> float:
    at, below = _knots(column)
    place = max(1, bisect_left(below, level))
    low, high = below[place - 1], below[place]
    weight = (level - low) / (high - low) if high > low else 1.0
    return float(at[place - 1] + weight * (at[place] - at[place - 1]))


def _scale(own: Profile, champion: Profile) -> float | None:
    """The factor between all quantiles; None if there is none, or it is near 1."""
    pairs = [(_quantile(own, level), _quantile(champion, level)) for level in _LEVELS]
    logs = [math.log(one / other) for one, other in pairs if other and one / other > 0]
    if len(set(pairs)) < _MIN_LEVELS or len(logs) < _MIN_LEVELS:
        return None
    middle = median(logs)
    if abs(middle) < math.log(MIN_SCALE):
        return None
    if median(abs(one - middle) for one in logs) > _SCALE_SPREAD:
        return None
    return math.exp(middle)


def _distance(own: Shares, champion: Shares) -> float:
    """The Jensen-Shannon distance, 0 to 1: the root of the divergence in bits (Endres and
    Schindelin, A new metric for probability distributions, 2003)."""
    divergence = 0.0
    for one, other in zip(own, champion, strict=True):
        mean = (one + other) / 2
        for share in (one, other):
            if share > 0:
                divergence += share / 2 * math.log2(share / mean)
    return math.sqrt(max(0.0, divergence))


def _noise(bins: int, own: Profile, champion: Profile) -> float:
    """The distance that two samples of one distribution exceed with a probability of 0.001.

    8 ln 2 n m / (n + m) times the divergence of samples of n and m rows is about chi-squared
    with one degree of freedom less than there are bins; its quantile is that of Wilson and
    Hilferty.
    """
    degrees = max(1, bins - 1)
    spread = 2 / (9 * degrees)
    normal = NormalDist().inv_cdf(_CONFIDENCE)
    quantile = degrees * (1 - spread + normal * math.sqrt(spread)) ** 3
    rows = 1 / (1 / _present(own) + 1 / _present(champion))
    return math.sqrt(quantile / (8 * math.log(2) * rows))


def _share_error(*samples: tuple[float, int]) -> float:
    """The standard error of the difference of two shares, each of a number of rows."""
    total = sum(rows for _, rows in samples)
    pooled = sum(share * rows for share, rows in samples) / total
    return math.sqrt(pooled * (1 - pooled) * sum(1 / rows for _, rows in samples))


def _said(distance: float, noise: float) -> str:
    return f" (distance {distance:.2f}; allowed are {MAX_DISTANCE:g}, and {noise:.2f} for chance)"


def _listed(values: Mapping[str, int]) -> str:
    most = sorted(values, key=lambda text: (-values[text], text))[:3]
    more = f" and {len(values) - 3} more" if len(values) > 3 else ""
    return ", ".join(map(repr, most)) + more
