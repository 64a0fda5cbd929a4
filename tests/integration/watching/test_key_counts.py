"""How the keys of a split are counted over workers, without being kept."""

import numpy as np
import pytest

from registry.live.loaded_split import LoadedSplit, UnloadedArm
from registry.live.references import Alias
from registry.splits.buckets import changed_ranges, first_ranges
from registry.splits.choice import Split
from registry.watching.key_counts import MOST_SPLITS, SAMPLE, WorkerKeys, read_keys
from registry.watching.split_shares import read_shares, shares_view

ALIAS = Alias("m", "production")
HOUR = 3_600


def loaded_split(model, split):
    """What answers the requests for ``split``, without any version in memory."""
    return LoadedSplit(split, [UnloadedArm((model, number), None) for number in split.numbers])


class Host:
    """Workers of one server that serve ``splits``; ``now`` is their clock."""

    def __init__(self, folder, workers=2):
        self.folder = folder
        self.now = 100.5 * HOUR
        self.served = [{} for _ in range(workers)]
        self.workers = [WorkerKeys(folder, lambda own=own: own, self.clock) for own in self.served]

    def clock(self):
        return self.now

    def serve(self, split, alias=ALIAS):
        """Serve ``split`` on all workers, each of which has an object of its own."""
        for own in self.served:
            own[alias] = Split(split.by, split.salt, split.ranges)

    def ask(self, keys, alias=ALIAS):
        """Choose a version for each key, on the workers in turn; the versions by key."""
        chosen = {}
        answering = [loaded_split(alias.model, own[alias]) for own in self.served]
        for place, key in enumerate(keys):
            arm = answering[place % len(answering)].choose(key, "request-id")
            chosen[key] = arm.key[1]
        for worker in self.workers:
            worker.flush()
        return chosen

    def read(self, alias=ALIAS):
        split = self.served[0][alias]
        return read_keys(self.folder, alias, split, self.clock).figures(split)

    def shares(self):
        return read_shares(self.folder, ALIAS, self.served[0][ALIAS], self.clock)


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    made.serve(Split("header", b"s" * 16, first_ranges({3: 9_000, 4: 1_000})))
    yield made
    for worker in made.workers:
        worker.close()


def keys(count, name="customer"):
    return [f"{name}-{number}" for number in range(count)]


def test_requests_are_counted_exactly_and_few_keys_too(host):
    chosen = host.ask(keys(1_000) * 3)

    found = host.read()

    by_version = [list(chosen.values()).count(number) for number in (3, 4)]
    assert list(found.requests.values()) == [3 * count for count in by_version]
    assert list(found.sampled.values()) == by_version
    assert found.keys == 1_000


def test_many_keys_are_estimated_and_their_shares_are_those_of_the_weights(host):
    host.ask(keys(60_000))

    found, shares = host.read(), host.shares()

    assert sum(found.sampled.values()) == SAMPLE
    assert found.keys == pytest.approx(60_000, rel=0.06)
    assert shares.arms[4].keys == pytest.approx(0.1, abs=0.02)
    assert shares.arms[4].probability > 1e-4
    assert shares.arms[3].expected == 0.9


def test_one_key_with_many_requests_is_a_large_share_and_still_one_key(host):
    host.ask([*keys(3_000), *(["the-heavy-one"] * 1_000)])

    found = host.read()

    assert found.keys == 3_001
    assert found.largest == pytest.approx(0.25, abs=0.003)


def test_keys_that_do_not_arrive_are_improbable(host):
    every = keys(4_000)
    split = host.served[0][ALIAS]
    lost = [key for key in every if split.number_of(key.encode()) == 4][:200]

    host.ask([key for key in every if key not in set(lost)])

    assert host.shares().arms[4].probability < 1e-6


def test_no_key_is_in_the_files(host, tmp_path):
    host.ask(keys(10, "a-name-of-a-customer"))

    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert content.strip(b"\0")
    assert b"a-name-of" not in content


def test_a_change_of_the_weights_begins_anew(host):
    host.ask(keys(500))
    before = host.served[0][ALIAS]
    ranges = changed_ranges(before.ranges, {3: 5_000, 4: 5_000})
    host.serve(Split("header", before.salt, ranges))
    assert host.read() is None

    host.ask(keys(100))

    assert sum(host.read().requests.values()) == 100


def test_this_hour_and_the_one_before_count(host):
    for count in (100, 10, 1):
        host.ask(keys(count))
        host.now += HOUR
    host.now -= HOUR

    assert sum(host.read().requests.values()) == 11


def test_the_splits_that_were_used_last_have_a_row(host):
    split = host.served[0][ALIAS]
    for number in range(MOST_SPLITS + 1):
        host.now += HOUR
        host.serve(split, Alias(f"m{number}", "production"))
        host.ask(keys(4), Alias(f"m{number}", "production"))

    assert host.read() is None
    assert sum(host.read(Alias(f"m{MOST_SPLITS}", "production")).requests.values()) == 4


def test_without_a_split_there_is_no_file(tmp_path):
    worker = WorkerKeys(tmp_path, dict)
    worker.flush()
    worker.close()

    assert list(tmp_path.iterdir()) == []


def test_the_view_has_plain_numbers(host):
    host.ask(keys(50))

    view = shares_view(host.shares())

    assert (view["requests"], view["keys"]) == (50, 50)
    assert sum(arm["request_share"] for arm in view["arms"]) == 1
    assert not any(isinstance(value, np.generic) for arm in view["arms"] for value in arm.values())
    assert shares_view(None) is None
