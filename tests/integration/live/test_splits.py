"""Which version of a split a worker answers with, and how soon it notices a change of it."""

import pytest

from registry.errors import BlobMissing, RequestKeyMalformed, VersionLoading
from registry.live.loaded_split import LoadedSplit
from registry.live.pool import LoadedVersion
from registry.operations.promote import PromotionRequest, promote
from tests.factories import add_versions, set_split, ungated
from tests.fakes import Preparer
from tests.integration.live.workers import Worker, eventually

KEYS = [f"customer-{number}" for number in range(200)]
TOKEN = 7


@pytest.fixture
def worker(database, tmp_path):
    add_versions(database, "house", ["ready"] * 3)
    order = PromotionRequest(actor="ann")
    promote(database, Preparer(), "house", "1", order, evaluate_gates=ungated)
    worker = Worker(database, tmp_path / "counter")
    yield worker
    worker.close()


@pytest.fixture
def split(database, worker):
    """Splits the alias, and has the worker load its versions."""

    def change(weights, loaded=True, **given):
        set_split(database, "house", weights, **given)
        worker.counter.bump()
        worker.watch.snapshot()
        if loaded:
            eventually(lambda: not worker.watch.missing())

    return change


def chosen(worker, keys=KEYS, token=TOKEN, request_id="request-1"):
    """The version of each key."""
    found = worker.watch.answering("house", "production", token)
    if isinstance(found, LoadedVersion):
        return [found.version.number] * len(keys)
    return [found.choose(key, request_id).key[1] for key in keys]


def test_the_versions_of_a_split_share_the_keys(worker, split):
    split({1: 5000, 2: 5000})

    first = chosen(worker)

    assert set(first) == {1, 2}
    assert chosen(worker) == first


def test_every_worker_chooses_the_same_version(database, worker, split, tmp_path):
    split({1: 5000, 2: 3000, 3: 2000})
    other = Worker(database, tmp_path / "of-another-host")
    other.watch.snapshot()
    eventually(lambda: not other.watch.missing())

    assert chosen(other) == chosen(worker)
    other.close()


def test_a_change_of_a_split_is_seen_at_once(worker, split):
    split({1: 5000, 2: 5000})
    split({1: 0, 2: 10_000})

    assert set(chosen(worker)) == {2}

    split({}, loaded=False)
    assert set(chosen(worker)) == {1}, "the champion answers all"


def test_a_note_of_a_caller_is_void_after_a_change(worker, split):
    split({1: 5000, 2: 5000})
    caller = ("Bearer x", "house", "production")
    cache = worker.watch.admission_cache()
    cache.versions[caller] = worker.watch.answering("house", "production", TOKEN)
    assert isinstance(worker.watch.cached(caller), LoadedSplit)

    split({1: 4000, 2: 6000})

    assert worker.watch.cached(caller) is None


def test_numbers_latest_and_other_aliases_are_not_split(database, worker, split):
    promote(
        database,
        Preparer(),
        "house",
        "3",
        PromotionRequest(actor="ann", alias="staging"),
        evaluate_gates=ungated,
    )
    split({1: 5000, 2: 5000})

    for reference, number in (("1", 1), ("2", 2), ("latest", 3), ("staging", 3)):
        found = worker.watch.answering("house", reference, TOKEN)
        assert isinstance(found, LoadedVersion)
        assert found.version.number == number


def test_the_champion_stays_what_the_alias_refers_to(worker, split):
    split({1: 100, 2: 9900})

    assert worker.watch.resolve("house", "production").version.number == 1


def test_without_a_key_the_request_id_chooses(worker, split):
    split({1: 5000, 2: 5000})
    found = worker.watch.answering("house", "production", TOKEN)

    for key in KEYS:
        assert found.choose(None, key) is found.choose(key, "request-1")


def test_a_split_by_chance_ignores_keys(worker, split):
    split({1: 5000, 2: 5000}, by="random")

    assert len(set(chosen(worker))) == 1, "all requests have the same id"
    assert len({chosen(worker, ["a"], request_id=key)[0] for key in KEYS}) == 2
    assert chosen(worker, [""]) == chosen(worker, ["a"])


def test_a_split_by_token_has_one_version_for_all_requests_of_a_token(worker, split):
    split({1: 5000, 2: 5000}, by="token")

    by_token = [set(chosen(worker, token=token)) for token in range(1, 40)]

    assert all(len(numbers) == 1 for numbers in by_token)
    assert len(set().union(*by_token)) == 2
    found = worker.watch.answering("house", "production", TOKEN)
    assert isinstance(found, LoadedVersion)


def test_a_split_by_token_chooses_by_the_request_id_where_there_is_no_token(worker, split):
    split({1: 5000, 2: 5000}, by="token")

    assert len({chosen(worker, ["a"], None, request_id=key)[0] for key in KEYS}) == 2


@pytest.mark.parametrize("key", ["", "x" * 257, "k\xe4y"])
def test_a_malformed_key_is_refused(worker, split, key):
    split({1: 5000, 2: 5000})
    found = worker.watch.answering("house", "production", TOKEN)

    with pytest.raises(RequestKeyMalformed, match="X-Request-Key") as refused:
        found.choose(key, "request-1")

    assert not key or key not in str(refused.value), "it may say who the customer is"


@pytest.mark.parametrize("key", ["a", "x" * 256, "user 1", "\t"])
def test_a_key_has_the_version_that_the_rule_gives_it(worker, split, key):
    split({1: 4000, 2: 3000, 3: 3000})
    known = worker.watch.snapshot().splits["house", "production"]

    for sent in (key, *KEYS[:50]):
        assert chosen(worker, [sent]) == [known.number_of(sent.encode())]


def test_a_worker_is_ready_when_all_versions_of_a_split_are_loaded(worker, split):
    worker.may_load.clear()
    split({1: 9000, 2: 1000, 3: 0}, loaded=False)
    assert worker.watch.missing() == [("house", 1), ("house", 2), ("house", 3)]

    worker.may_load.set()
    eventually(lambda: not worker.watch.missing())

    assert worker.pool.loaded.keys() == {("house", 1), ("house", 2), ("house", 3)}


@pytest.mark.usefixtures("worker")
def test_versions_of_a_split_stay_loaded(database, tmp_path):
    set_split(database, "house", {1: 9000, 2: 1000})
    small = Worker(database, tmp_path / "small-counter", limit=1)
    small.watch.snapshot()
    eventually(lambda: not small.watch.missing())

    small.watch.resolve("house", "3")

    assert {("house", 1), ("house", 2)} <= small.pool.loaded.keys()
    small.close()


@pytest.mark.parametrize("by", ["header", "token"])
def test_a_version_that_cannot_be_loaded_fails_its_own_requests_only(worker, split, by):
    worker.missing.add(("house", 2))
    split({1: 5000, 2: 5000}, by=by)

    outcomes = set()
    for number, key in enumerate(KEYS):
        found = worker.watch.answering("house", "production", number)
        arm = found if isinstance(found, LoadedVersion) else found.choose(key, "request-1")
        if isinstance(arm, LoadedVersion):
            outcomes.add(arm.version.number)
        else:
            assert arm.key == ("house", 2)
            with pytest.raises(BlobMissing):
                arm.load()
            outcomes.add("missing")
    assert outcomes == {1, "missing"}


def test_a_request_waits_for_its_version(worker, split):
    worker.may_load.clear()
    split({1: 0, 2: 10_000}, loaded=False)
    arm = worker.watch.answering("house", "production", TOKEN).choose("a", "request-1")
    with pytest.raises(VersionLoading):
        worker.watch.check_usable("house", "2")

    worker.may_load.set()

    assert arm.load().version.number == 2


def test_a_choice_counts_as_a_use_of_its_version(worker, split):
    split({1: 0, 2: 10_000})
    caller = ("Bearer x", "house", "production")
    cache = worker.watch.admission_cache()
    cache.versions[caller] = worker.watch.answering("house", "production", TOKEN)
    version = worker.pool.loaded["house", 2]
    version.last_used = 0.0

    worker.watch.cached(caller).choose("a", "request-1")

    assert version.last_used > 0.0
