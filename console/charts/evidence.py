"""The evidence against a version, an e-value, beside the limit at which its rollout ends."""

import math
from typing import NamedTuple

WIDTH, HEIGHT = 260, 30
_LEFT, _RIGHT = 6, 6
LEAST, MOST = 1e-2, 1e4
"""The ends of the axis, which is logarithmic; what is beyond them is drawn at the end."""


class Mark(NamedTuple):
    x: float
    value: float


class EvidenceChart(NamedTuple):
    """``x`` is the place of the e-value, ``start`` that of 1, where it begins, and ``limit`` that
    from which on the guard has failed."""

    width: int
    height: int
    x: float
    start: float
    limit: float
    marks: list[Mark]

    @property
    def bar(self) -> tuple[float, float]:
        """Where the bar from ``start`` to ``x`` begins, and how long it is."""
        return min(self.x, self.start), round(abs(self.x - self.start), 1)


def evidence_chart(e_value: float, limit: float) -> EvidenceChart:
    """The chart of an e-value."""
    marks = [Mark(_place(value), value) for value in (LEAST, 1.0, limit, MOST)]
    return EvidenceChart(WIDTH, HEIGHT, _place(e_value), _place(1.0), _place(limit), marks)


def _place(value: float) -> float:
    kept = min(MOST, max(LEAST, value))
    share = math.log(kept / LEAST) / math.log(MOST / LEAST)
    return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)
