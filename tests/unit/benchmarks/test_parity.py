"""Which predictions allow a server to be timed."""

import numpy as np
import pytest

from benchmarks.parity import AnswersWrong, Parity, compare

PRICES = np.array([100.0, 250.5, 3.0])


def test_equal_predictions_have_no_differing_bits() -> None:
    assert compare(PRICES.copy(), PRICES) == Parity(rows=3, unequal=0, max_difference=0.0)


def test_a_difference_in_the_last_bit_is_counted_but_accepted() -> None:
    near = PRICES.copy()
    near[1] = np.nextafter(near[1], np.inf)

    parity = compare(near, PRICES)

    assert parity.unequal == 1
    assert 0 < parity.max_difference < 1e-12


def test_a_different_prediction_is_refused() -> None:
    with pytest.raises(AnswersWrong, match="1 of 3 predictions differ"):
        compare(np.array([100.0, 250.5, 4.0]), PRICES)


def test_predictions_in_another_order_are_refused() -> None:
    with pytest.raises(AnswersWrong):
        compare(PRICES[::-1].copy(), PRICES)


def test_a_missing_prediction_is_refused() -> None:
    with pytest.raises(AnswersWrong, match="2 predictions for 3 rows"):
        compare(PRICES[:2], PRICES)
