"""The pool loads a version once and evicts the least recently used."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.errors import ArtifactRefused, BlobMissing, VersionUnavailable
from registry.live.pool import Pool
from tests.factories import served
from tests.fakes import Clock, Constant


class Shelf:
    """A loader that counts, and that can be made to wait or to fail."""

    def __init__(self):
        self.loads = Counter()
        self.missing = set()
        self.gate = threading.Event()
        self.gate.set()
        self._lock = threading.Lock()

    def __call__(self, version):
        with self._lock:
            self.loads[version.number] += 1
        assert self.gate.wait(10)
        if version.number in self.missing:
            raise BlobMissing(version.sha256)
        return Constant(version.number)


def test_concurrent_requests_load_a_cold_version_once():
    shelf = Shelf()
    pool = Pool(shelf, limit=1000)
    shelf.gate.clear()
    together = threading.Barrier(100)

    def ask(_):
        together.wait(10)
        return pool.get(served(1))

    with ThreadPoolExecutor(100) as threads:
        asked = threads.map(ask, range(100))
        shelf.gate.set()
        predictors = set(asked)

    assert len(predictors) == 1
    assert shelf.loads == {1: 1}


def test_versions_load_concurrently():
    shelf = Shelf()
    pool = Pool(shelf, limit=1000)
    pool.get(served(1))
    shelf.gate.clear()

    with ThreadPoolExecutor(1) as thread:
        loading = thread.submit(pool.get, served(2))
        assert pool.get(served(1)).predictor.value == 1
        assert not loading.done()
        shelf.gate.set()
        assert loading.result(10).predictor.value == 2


def test_awaited_versions_are_loaded_before_preloaded_ones():
    shelf = Shelf()
    pool = Pool(shelf, limit=10_000)
    shelf.gate.clear()
    ahead = [pool.preload(served(number)) for number in range(1, 11)]
    while len(shelf.loads) < 2:
        time.sleep(0.001)
    with ThreadPoolExecutor(2) as threads:
        new = threads.submit(pool.get, served(20))
        begun = threads.submit(pool.get, served(10))
        while not {("house", 20), ("house", 10)} <= set(pool._awaited):
            time.sleep(0.001)
        shelf.gate.set()
        assert new.result(10).predictor.value == 20
        assert begun.result(10).predictor.value == 10
    for loading in ahead:
        loading.result(10)

    order = list(shelf.loads)
    assert set(order[2:4]) == {20, 10}, "the first two were being loaded already"
    assert shelf.loads == Counter([*range(1, 11), 20])


def test_waiting_callers_get_an_error_when_the_pool_closes():
    shelf = Shelf()
    pool = Pool(shelf, limit=1000)
    shelf.gate.clear()
    waiting = [pool.preload(served(number)) for number in range(1, 6)]

    pool.close()

    shelf.gate.set()
    assert [loading.cancelled() for loading in waiting[2:]] == [True] * 3


def test_a_version_is_warmed_before_it_is_published():
    assert Pool(Shelf(), limit=1000).get(served(1)).predictor.calls == 1


def test_the_least_recently_used_version_is_evicted_first():
    pool = Pool(Shelf(), limit=250)
    for number in (1, 2, 1, 3):
        pool.get(served(number, size=100))

    assert set(pool.loaded) == {("house", 1), ("house", 3)}


def test_an_evicted_version_is_loaded_again():
    shelf = Shelf()
    pool = Pool(shelf, limit=100)
    for number in (1, 2, 1):
        pool.get(served(number, size=100))

    assert shelf.loads == {1: 2, 2: 1}


def test_a_single_version_may_exceed_the_limit():
    pool = Pool(Shelf(), limit=100)
    pool.get(served(1, size=60))
    pool.get(served(2, size=500))

    assert set(pool.loaded) == {("house", 2)}
    assert pool.get(served(2, size=500)).predictor.value == 2


def test_versions_of_different_models_are_distinct():
    pool = Pool(Shelf(), limit=1000)

    assert pool.get(served(1, model="a")) is not pool.get(served(1, model="b"))


def test_a_failed_load_leaves_nothing_and_may_be_retried():
    shelf = Shelf()
    pool = Pool(shelf, limit=1000)
    shelf.missing.add(1)

    with pytest.raises(BlobMissing):
        pool.get(served(1))
    assert not pool.loaded

    shelf.missing.clear()
    assert pool.get(served(1)).predictor.value == 1


def test_repeated_failures_delay_the_next_attempt():
    shelf, clock = Shelf(), Clock(0.0)
    pool = Pool(shelf, limit=1000, clock=clock)
    shelf.missing.add(1)

    tried = []
    for second in range(130):
        clock.now = float(second)
        before = shelf.loads[1]
        with pytest.raises(BlobMissing):
            pool.get(served(1))
        if shelf.loads[1] > before:
            tried.append(second)

    assert tried == [0, 1, 2, 3, 5, 9, 17, 33, 65, 125]
    assert pool.failures({("house", 1)}).keys() == {("house", 1)}
    assert pool.to_preload({("house", 1), ("house", 2)}) == {("house", 2)}


def test_a_failed_load_can_be_retried_at_once_on_request():
    shelf = Shelf()
    pool = Pool(shelf, limit=1000, clock=Clock(0.0))
    shelf.missing.add(1)
    for _ in range(9):
        with pytest.raises(BlobMissing):
            pool.get(served(1))
    assert shelf.loads[1] == 3

    shelf.missing.clear()
    pool.retry()

    assert pool.get(served(1)).predictor.value == 1
    assert not pool.failures({("house", 1)})


@pytest.mark.parametrize(
    ("raised", "why"),
    [
        (ArtifactRefused("It is ill."), "It is ill."),
        (KeyError("weights"), "KeyError, which the log has"),
    ],
)
def test_any_error_while_loading_makes_the_version_unavailable(raised, why):
    def load(version):
        raise raised

    with pytest.raises(VersionUnavailable) as refused:
        Pool(load, limit=1000).get(served(3))

    assert refused.value.detail == f"Version 3 of 'house' cannot be loaded: {why}"
    assert refused.value.__context__ is None, "it is kept, and must keep nothing else in memory"


def test_pinned_versions_are_not_evicted():
    pool = Pool(Shelf(), limit=100)
    pool.get(served(1, size=100))
    pool.pin([("house", 1)])
    for number in (2, 3):
        pool.get(served(number, size=100))

    assert set(pool.loaded) == {("house", 1), ("house", 3)}


def test_held_versions_are_not_evicted_until_released():
    pool = Pool(Shelf(), limit=100)
    with pool.holding(served(1, size=100)):
        with pool.holding(served(1, size=100)):
            for number in (2, 3):
                pool.get(served(number, size=100))
        assert set(pool.loaded) == {("house", 1), ("house", 3)}

    assert set(pool.loaded) == {("house", 3)}


def test_a_version_loaded_earlier_can_be_held():
    shelf = Shelf()
    pool = Pool(shelf, limit=100)
    pool.get(served(1, size=100))
    with pool.holding(served(1, size=100)):
        for number in (2, 3):
            pool.get(served(number, size=100))
        assert set(pool.loaded) == {("house", 1), ("house", 3)}

    assert set(pool.loaded) == {("house", 3)}, "it may be dropped again"
    assert shelf.loads == {1: 1, 2: 1, 3: 1}


def test_holding_a_version_retries_it_whatever_failed_before():
    shelf = Shelf()
    pool = Pool(shelf, limit=100, clock=Clock(0.0))
    shelf.missing.add(1)
    for _ in range(9):
        with pytest.raises(BlobMissing):
            pool.get(served(1))
    shelf.missing.clear()

    with pool.holding(served(1)):
        assert set(pool.loaded) == {("house", 1)}


def test_a_request_keeps_its_version_to_the_end():
    pool = Pool(Shelf(), limit=1000)
    held = pool.get(served(1))
    pool.drop([("house", 1)])

    assert not pool.loaded
    assert held.predictor.value == 1


def test_the_table_of_loaded_versions_is_replaced_and_never_changed():
    pool = Pool(Shelf(), limit=1000)
    before = pool.loaded
    pool.get(served(1))

    assert not before
    with pytest.raises(TypeError):
        pool.loaded["house", 2] = None
