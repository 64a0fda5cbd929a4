"""The memory that a worker spends on bodies at the same time."""

import sys

import pytest

from api.decoding import DecodingBudget
from registry.errors import WorkerFull

MEGABYTE = 2**20


def test_bodies_beyond_the_budget_are_refused_until_one_is_finished():
    budget = DecodingBudget(10)

    with budget.hold(6), budget.hold(4), pytest.raises(WorkerFull), budget.hold(1):
        pass
    with budget.hold(10):
        pass


def test_a_single_body_may_need_more_than_the_budget():
    budget = DecodingBudget(10)

    with budget.hold(1000), pytest.raises(WorkerFull), budget.hold(1):
        pass
    with budget.hold(1000):
        pass


def test_a_failed_body_releases_its_memory():
    budget = DecodingBudget(10)

    for _ in range(3):
        with pytest.raises(ValueError, match="malformed"), budget.hold(10):
            raise ValueError("malformed")


def test_other_threads_run_sooner_while_a_large_body_is_decoded():
    budget, usual = DecodingBudget(1000 * MEGABYTE), sys.getswitchinterval()

    with budget.hold(MEGABYTE):
        assert sys.getswitchinterval() == usual
        with budget.hold(100 * MEGABYTE):
            with budget.hold(100 * MEGABYTE):
                pass
            assert sys.getswitchinterval() < usual / 5
    assert sys.getswitchinterval() == usual
