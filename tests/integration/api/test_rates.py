"""Leaky buckets in a file that processes share."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from api.rates import SLOTS, Rates
from tests.fakes import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def rates(tmp_path, clock):
    made = Rates(tmp_path / "run" / "rates", per_second=2, burst=3, clock=clock)
    yield made
    made.close()


def test_a_burst_is_allowed_and_then_the_steady_rate(rates, clock):
    assert [rates.take(1) for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now += 0.5
    assert rates.take(1) == 0
    assert rates.take(1) == 0.5
    clock.now += 100
    assert [rates.take(1) for _ in range(4)] == [0, 0, 0, 0.5]


def test_refused_requests_do_not_count(rates, clock):
    waits = [rates.take(1) for _ in range(50)]
    assert waits[3:] == [0.5] * 47


def test_slots_have_separate_buckets_up_to_their_number(rates):
    assert [rates.take(1) for _ in range(3)] == [0, 0, 0]
    assert rates.take(2) == 0
    assert rates.take(1 + SLOTS) == 0.5


def test_a_restarted_clock_locks_nobody_out(rates, clock):
    assert [rates.take(1) for _ in range(4)][-1] > 0
    clock.now = 5.0
    assert rates.take(1) == 0


def test_a_changed_limit_locks_nobody_out(tmp_path, clock):
    slow = Rates(tmp_path / "rates", per_second=0.01, burst=5, clock=clock)
    for _ in range(5):
        slow.take(1)
    slow.close()
    quick = Rates(tmp_path / "rates", per_second=100, burst=5, clock=clock)
    assert quick.take(1) == 0
    quick.close()


def test_the_file_does_not_grow(tmp_path, clock):
    rates = Rates(tmp_path / "rates", per_second=2, burst=3, clock=clock)
    for slot in range(100_000):
        rates.take(slot * 7919)
    rates.close()
    assert (tmp_path / "rates").stat().st_size == SLOTS * 8


def test_all_who_open_the_file_share_one_limit(rates, tmp_path, clock):
    other = Rates(tmp_path / "run" / "rates", per_second=2, burst=3, clock=clock)
    waits = [each.take(1) for each in (rates, other, rates, other, rates)]
    other.close()

    assert waits == [0, 0, 0, 0.5, 0.5]


@pytest.mark.slow  # two processes that import pytest
def test_several_processes_share_one_limit(tmp_path):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        # A process that is stopped while it counts writes an old number later, on a busy machine.
        passed = [sum(pool.map(passes, [tmp_path / f"rates-{turn}"] * 4)) for turn in range(3)]
    # A hundred at once, one more every ten seconds, and what two count at the same moment. Without
    # a shared limit it would be four hundred each time.
    assert 100 <= min(passed) <= 110


def passes(path: Path) -> int:
    rates = Rates(path, per_second=0.1, burst=100)
    passed = sum(rates.take(1) == 0 for _ in range(200))
    rates.close()
    return passed
