"""The pool loads a version once and drops what was least used."""

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


def test_a_hundred_threads_load_a_cold_version_once():
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


def test_versions_load_beside_each_other():
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


def test_a_version_that_somebody_waits_for_goes_ahead_of_the_others():
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


def test_who_waits_for_a_version_is_told_when_the_pool_closes():
    shelf = Shelf()
    pool = Pool(shelf, limit=1000)
    shelf.gate.clear()
    waiting = [pool.preload(served(number)) for number in range(1, 6)]

    pool.close()

    shelf.gate.set()
    assert [loading.cancelled() for loading in waiting[2:]] == [True] * 3


def test_a_version_has_answered_once_before_it_is_handed_out():
    assert Pool(Shelf(), limit=1000).get(served(1)).predictor.calls == 1


def test_what_was_least_used_goes_first():
    pool = Pool(Shelf(), limit=250)
    for number in (1, 2, 1, 3):
        pool.get(served(number, size=100))

    assert set(pool.loaded) == {("house", 1), ("house", 3)}


def test_a_dropped_version_is_loaded_again():
    shelf = Shelf()
    pool = Pool(shelf, limit=100)
    for number in (1, 2, 1):
        pool.get(served(number, size=100))

    assert shelf.loads == {1: 2, 2: 1}


def test_a_version_larger_than_the_limit_is_served_alone():
    pool = Pool(Shelf(), limit=100)
    pool.get(served(1, size=60))
    pool.get(served(2, size=500))

    assert set(pool.loaded) == {("house", 2)}
    assert pool.get(served(2, size=500)).predictor.value == 2


def test_models_with_the_same_numbers_are_kept_apart():
    pool = Pool(Shelf(), limit=1000)

    assert pool.get(served(1, model="a")) is not pool.get(served(1, model="b"))


def test_a_load_that_failed_leaves_nothing_and_may_be_tried_again():
    shelf = Shelf()
    pool = Pool(shelf, limit=1000)
    shelf.missing.add(1)

    with pytest.raises(BlobMissing):
        pool.get(served(1))
    assert not pool.loaded

    shelf.missing.clear()
    assert pool.get(served(1)).predictor.value == 1


def test_a_load_that_goes_on_failing_is_tried_again_after_a_time_that_doubles():
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


def test_what_failed_is_tried_at_once_when_there_is_reason_to():
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
def test_whatever_keeps_a_version_from_loading_makes_it_unavailable(raised, why):
    def load(version):
        raise raised

    with pytest.raises(VersionUnavailable) as refused:
        Pool(load, limit=1000).get(served(3))

    assert refused.value.detail == f"Version 3 of 'house' cannot be loaded: {why}"
    assert refused.value.__context__ is None, "it is kept, and must keep nothing else in memory"


def test_what_is_pinned_stays_however_little_it_is_used():
    pool = Pool(Shelf(), limit=100)
    pool.get(served(1, size=100))
    pool.pin([("house", 1)])
    for number in (2, 3):
        pool.get(served(number, size=100))

    assert set(pool.loaded) == {("house", 1), ("house", 3)}


def test_what_is_held_stays_until_it_is_let_go_of():
    pool = Pool(Shelf(), limit=100)
    with pool.holding(served(1, size=100)):
        with pool.holding(served(1, size=100)):
            for number in (2, 3):
                pool.get(served(number, size=100))
        assert set(pool.loaded) == {("house", 1), ("house", 3)}

    assert set(pool.loaded) == {("house", 3)}


def test_what_was_loaded_before_it_is_held_stays_too():
    shelf = Shelf()
    pool = Pool(shelf, limit=100)
    pool.get(served(1, size=100))
    with pool.holding(served(1, size=100)):
        for number in (2, 3):
            pool.get(served(number, size=100))
        assert set(pool.loaded) == {("house", 1), ("house", 3)}

    assert set(pool.loaded) == {("house", 3)}, "it may be dropped again"
    assert shelf.loads == {1: 1, 2: 1, 3: 1}


def test_what_is_to_be_held_is_tried_however_often_it_failed():
    shelf = Shelf()
    pool = Pool(shelf, limit=100, clock=Clock(0.0))
    shelf.missing.add(1)
    for _ in range(9):
        with pytest.raises(BlobMissing):
            pool.get(served(1))
    shelf.missing.clear()

    with pool.holding(served(1)):
        assert set(pool.loaded) == {("house", 1)}


def test_a_request_keeps_the_version_that_it_began_with():
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
