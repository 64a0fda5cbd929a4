"""What is taken from the counts of predictions each minute."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.engines.served_version import ServedVersion
from registry.live.pool import LoadedVersion
from registry.signature import Column, Output, Signature
from registry.watching.counts import BINS, BOUNDS, SHOWN_BOUNDS
from registry.watching.named_rows import Row
from registry.watching.predictions import PredictionCounts
from registry.watching.stored_times import packed, unpacked
from registry.watching.traffic import TrafficSampler, quantile

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SIGNATURE = Signature((Column("x", "number"),), Output("y", "number"))


class Recorded(list):
    """Remembers what was recorded, as ``(minute, {row: (answered, refused, failed)})``."""

    fails = False

    def __call__(self, minute, increases):
        if self.fails:
            raise OSError("no room")
        self.append((minute, {i.row: (int(i.times.sum()), i.refused, i.failed) for i in increases}))


@pytest.fixture
def recorded():
    return Recorded()


@pytest.fixture
def server(tmp_path):
    """Makes workers of servers; a new folder is a new server."""
    made = []

    def make(folder=tmp_path):
        folder.mkdir(exist_ok=True)
        worker = PredictionCounts(folder, lambda key: True)
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.close()


def predict(worker, alias="production", times=1, faults=()):
    version = ServedVersion("m", 3, "onnx", "0" * 64, 1, SIGNATURE, None)
    for _ in range(times):
        worker.answered(LoadedVersion(version, None), alias, 0.001, 1)
    for fault in faults:
        worker.unanswered(("m", 3), alias, fault)
    worker.flush()


def test_each_minute_has_the_predictions_since_the_one_before(server, tmp_path, recorded):
    worker = server()
    sampler = TrafficSampler(tmp_path, worker.totals, recorded)
    assert not sampler.sample(NOON)
    predict(worker, times=3, faults=["refused", "failed", "failed"])
    predict(worker, alias="3")
    assert not sampler.sample(NOON + 0.9 * MINUTE)

    assert sampler.sample(NOON + 1.02 * MINUTE)
    predict(worker, times=2)
    assert not sampler.sample(NOON + 1.5 * MINUTE)
    assert sampler.sample(NOON + 2.01 * MINUTE)
    assert not sampler.sample(NOON + 3.01 * MINUTE)

    live, by_number = Row("m", 3, "production"), Row("m", 3, "")
    assert recorded == [
        (NOON, {live: (3, 1, 2), by_number: (1, 0, 0)}),
        (NOON + MINUTE, {live: (2, 0, 0)}),
    ]
    sampler.close()


def test_one_worker_samples_and_another_continues_when_it_ends(server, tmp_path, recorded):
    one, two = server(), server()
    first = TrafficSampler(tmp_path, one.totals, recorded)
    second = TrafficSampler(tmp_path, two.totals, recorded)
    for sampler in (first, second):
        sampler.sample(NOON)
    predict(one, times=2)
    predict(two, times=3)

    assert (first.sample(NOON + MINUTE), second.sample(NOON + MINUTE)) == (True, False)
    predict(two)
    first.close()
    assert second.sample(NOON + 2 * MINUTE)

    row = Row("m", 3, "production")
    assert recorded == [(NOON, {row: (5, 0, 0)}), (NOON + MINUTE, {row: (1, 0, 0)})]
    second.close()


def test_what_could_not_be_recorded_is_recorded_later_and_once(server, tmp_path, recorded):
    worker = server()
    sampler = TrafficSampler(tmp_path, worker.totals, recorded)
    sampler.sample(NOON)
    predict(worker, times=2)
    recorded.fails = True
    with pytest.raises(OSError, match="no room"):
        sampler.sample(NOON + MINUTE)
    recorded.fails = False
    predict(worker)

    assert sampler.sample(NOON + 1.1 * MINUTE)
    assert not sampler.sample(NOON + 2 * MINUTE)

    assert recorded == [(NOON, {Row("m", 3, "production"): (3, 0, 0)})]
    sampler.close()


def test_a_restarted_server_begins_at_zero(server, tmp_path, recorded):
    before = TrafficSampler(tmp_path / "one", (worker := server(tmp_path / "one")).totals, recorded)
    before.sample(NOON)
    predict(worker, times=5)
    before.sample(NOON + MINUTE)
    before.close()

    after = TrafficSampler(tmp_path / "two", (worker := server(tmp_path / "two")).totals, recorded)
    after.sample(NOON + MINUTE)
    predict(worker, times=2)
    after.sample(NOON + 2 * MINUTE)
    after.close()

    row = Row("m", 3, "production")
    assert recorded == [(NOON, {row: (5, 0, 0)}), (NOON + MINUTE, {row: (2, 0, 0)})]


def times_of(*seconds):
    return np.bincount(np.searchsorted(BOUNDS, seconds), minlength=BINS).astype(np.uint64)


def test_a_quantile_is_linear_within_its_bin():
    times = times_of(*[0.012] * 100)
    low, high = (bound for bound in BOUNDS if 0.01 <= bound < 0.014)

    assert quantile(times, 0.5) == pytest.approx((low + high) / 2)
    assert quantile(times, 1.0) == high


def test_without_predictions_there_is_no_quantile():
    assert quantile(times_of(), 0.99) is None


def test_a_quantile_beyond_the_last_bound_is_that_bound():
    assert quantile(times_of(60.0), 0.5) == BOUNDS[-1]


@given(
    st.lists(st.floats(0.0, 9.9), min_size=1, max_size=50),
    st.tuples(st.floats(0.01, 1.0), st.floats(0.01, 1.0)),
)
def test_quantiles_grow_with_the_share_and_are_in_the_bin_of_the_true_one(seconds, shares):
    times = times_of(*seconds)
    low, high = sorted(shares)

    assert quantile(times, low) <= quantile(times, high)
    true = sorted(seconds)[int(np.ceil(high * len(seconds))) - 1]
    place = int(np.searchsorted(BOUNDS, true))
    bottom = BOUNDS[place - 1] if place else 0.0
    assert bottom <= quantile(times, high) <= BOUNDS[place] * (1 + 1e-12)


def test_counts_are_stored_and_read_back():
    times = times_of(0.001, 0.2, 60.0)

    assert unpacked([packed(times), b"of another release", packed(times)]).tolist() == [
        times.tolist(),
        [0] * BINS,
        times.tolist(),
    ]
    assert unpacked([]).shape == (0, BINS)


@given(st.lists(st.integers(0, 2**63), min_size=BINS, max_size=BINS))
def test_stored_counts_are_those_that_were_packed(counts):
    assert unpacked([packed(np.array(counts, np.uint64))])[0].tolist() == counts


def test_few_bins_are_stored_in_few_bytes():
    assert len(packed(times_of(*[0.0015] * 100, 0.002))) <= 1 + 2 * 8


@given(st.lists(st.integers(0, 10**9), min_size=19, max_size=19))
def test_counts_of_the_bins_of_prometheus_are_spread_over_the_finer_ones(counts):
    read = unpacked([np.array(counts, "<u8").tobytes()])[0]

    places = [BOUNDS.index(bound) + 1 for bound in SHOWN_BOUNDS]
    assert [int(part.sum()) for part in np.split(read, places)] == counts


def test_a_median_of_counts_of_the_bins_of_prometheus_stays():
    counts = np.zeros(len(SHOWN_BOUNDS) + 1, "<u8")
    counts[6] = 100  # from 1 to 2.5 ms

    assert quantile(unpacked([counts.tobytes()])[0], 0.5) == pytest.approx(0.00175, rel=0.01)
