"""A difference counts only if the live figure lies outside the other's interval."""

import pytest

from console.noise import difference


@pytest.mark.parametrize(
    ("metric", "figure", "live", "interval", "verdict"),
    [
        ("rmse", 38980.0, 39308.0, (34185.0, 43973.0), "may be noise"),
        ("rmse", 49054.0, 39308.0, (41554.0, 56881.0), "worse"),
        ("rmse", 30000.0, 39308.0, (28000.0, 32000.0), "better"),
        ("r2", 0.9, 0.8, (0.85, 0.95), "better"),
        ("r2", 0.7, 0.8, (0.65, 0.75), "worse"),
        ("profit", 2.0, 1.0, (1.5, 2.5), "different"),
        ("rmse", 30.0, 39.0, None, "no interval kept"),
        ("rmse", 39.0, 39.0, None, "equal"),
        (
            "rmse",
            39.0,
            40.0,
            (50.0, 38.0),
            "may be noise",
        ),  # an uploader's ends the wrong way round
    ],
)
def test_a_difference_is_judged_by_the_interval(metric, figure, live, interval, verdict) -> None:
    assert difference(metric, figure, live, interval).verdict == verdict


def test_a_difference_is_relative_to_the_live_figure_unless_that_is_zero() -> None:
    assert difference("rmse", 49054.0, 39308.0, None).share == pytest.approx(0.248, abs=1e-3)
    assert difference("r2", 0.5, -0.5, None).share == pytest.approx(2.0)
    assert difference("r2", 0.5, 0.0, None)[:2] == (0.5, None)
