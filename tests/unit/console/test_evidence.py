"""Where an e-value is drawn."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.charts.evidence import LEAST, MOST, WIDTH, evidence_chart

LIMIT = 100.0


@given(st.floats(0, 1e300))
def test_every_e_value_is_inside(e_value: float) -> None:
    chart = evidence_chart(e_value, LIMIT)
    start, length = chart.bar

    assert 0 <= chart.x <= WIDTH
    assert 0 <= start <= start + length <= WIDTH
    assert (chart.x >= chart.limit) == (e_value >= LIMIT) or math.isclose(
        e_value, LIMIT, rel_tol=0.01
    )


def test_the_axis_is_logarithmic() -> None:
    steps = [evidence_chart(value, LIMIT).x for value in (0.01, 0.1, 1.0, 10.0, 100.0)]

    widths = [after - before for before, after in pairwise(steps)]
    assert widths == pytest.approx([widths[0]] * 4, abs=0.2)


def test_what_is_beyond_the_axis_is_at_its_end() -> None:
    assert evidence_chart(0.0, LIMIT).x == evidence_chart(LEAST, LIMIT).x
    assert evidence_chart(1e300, LIMIT).x == evidence_chart(MOST, LIMIT).x
    assert evidence_chart(0.0, LIMIT).bar == (
        evidence_chart(LEAST, LIMIT).x,
        pytest.approx(evidence_chart(1.0, LIMIT).x - evidence_chart(LEAST, LIMIT).x, abs=0.1),
    )
