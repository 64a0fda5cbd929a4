"""Whether a version's metric differs from the live one's by more than chance.

What uploaders claim was measured on rows that may differ from version to version, so the rule is
cautious: a difference counts if the live figure lies outside the other's 95% interval. A difference
that was measured on a holdout has an interval of its own.
"""

from typing import Literal, NamedTuple

from hotswap.metrics.names import HIGHER_IS_BETTER, LOWER_IS_BETTER

Verdict = Literal["better", "worse", "different", "may be noise", "no interval kept", "equal"]


class Difference(NamedTuple):
    """``share`` is relative to the live figure, None where that is 0; ``verdict`` in words."""

    absolute: float
    share: float | None
    verdict: Verdict


def difference(
    metric: str, figure: float, live: float, interval: tuple[float, float] | None
) -> Difference:
    """How ``figure``, whose 95% interval is ``interval``, differs from the ``live`` one."""
    absolute = figure - live
    share = absolute / abs(live) if live else None
    return Difference(absolute, share, _verdict(metric, figure, live, interval))


def _verdict(
    metric: str, figure: float, live: float, interval: tuple[float, float] | None
) -> Verdict:
    if figure == live:
        return "equal"
    if interval is None:
        return "no interval kept"
    if min(interval) <= live <= max(interval):
        return "may be noise"
    if metric in HIGHER_IS_BETTER:
        return "better" if figure > live else "worse"
    if metric in LOWER_IS_BETTER:
        return "better" if figure < live else "worse"
    return "different"


def measured_difference(
    metric: str, figure: float, live: float, interval: tuple[float, float] | None
) -> Difference:
    """As ``difference``, where both were measured on the same rows: ``interval`` is that of the
    difference itself, which counts if it excludes 0."""
    around = None if interval is None else (figure - max(interval), figure - min(interval))
    return difference(metric, figure, live, around)
