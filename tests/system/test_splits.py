"""Versions of a split on real workers."""

import os
import random
import signal

import pytest

from benchmarks.bucket_rule import Buckets
from benchmarks.split_changes import Changer, change_under_load, checked
from benchmarks.split_keys import (
    CANARY,
    CHAMPION,
    by_each_worker,
    grow,
    keys,
    overlap,
    put_split,
    salt_of,
    same,
    share,
    versions_of,
)
from benchmarks.swap import Target, constant_model
from tests.system.models import upload
from tests.system.real_server import Server, wait_until

KEYS = 1_500


def begin(server: Server, model: str, versions: int = 2) -> Target:
    """A model with versions that predict 100 times their number, the first promoted."""
    for number in range(1, versions + 1):
        upload(server, model, constant_model(100.0 * number))
    server.call("POST", f"/models/{model}/1/promote").raise_for_status()
    return Target(server.url, server.token, model)


def wrong(found) -> list[str]:
    return [one.row for one in found if not one.good]


def test_every_worker_chooses_as_the_second_rule_does_and_gives_the_canary_its_share(server):
    target, sent = begin(server, "shared"), keys(KEYS)

    put_split(target, {CHAMPION: 90, CANARY: 10})

    versions = versions_of(target, sent)
    expected = Buckets({CHAMPION: 90, CANARY: 10}).versions_of(
        sent, salt_of(server.data, target.model)
    )
    found = [share(versions, 10), same("the second rule", versions, expected)]
    assert wrong(found) == []
    assert wrong(by_each_worker(target, server.workers(), sent[:400], versions[:400])) == []


@pytest.mark.slow  # unit/registry/splits has the rule
def test_as_few_keys_as_possible_move_and_none_leaves_a_canary_that_grows(server):
    assert wrong(grow(begin(server, "growing"), server.data, keys(KEYS))) == []


@pytest.mark.slow  # unit/registry/splits has the rule
def test_splits_of_two_models_are_independent(server):
    targets, sent = [begin(server, name) for name in ("one", "other")], keys(KEYS)
    for target in targets:
        put_split(target, {CHAMPION: 90, CANARY: 10})

    one, other = (versions_of(target, sent) for target in targets)

    assert wrong([share(one, 10), share(other, 10), overlap(one, other, 10)]) == []


def test_no_response_is_wrong_while_a_split_changes(server):
    changer = Changer(
        begin(server, "changing", versions=3), server.data, [1, 2, 3], random.Random(15)
    )

    replies = change_under_load(changer, changes=20, connections=8, pause=0.02)

    predictions = {number: 100.0 * number for number in changer.versions}
    assert wrong(checked(changer, replies, predictions)) == []
    assert len(replies) > 200
    assert {reply.version for reply in replies} == {1, 2, 3}
    assert len(changer.kinds) == 5


@pytest.mark.slow
def test_a_killed_worker_chooses_as_before(own_server):
    target, sent = begin(own_server, "killed"), keys(2000)
    put_split(target, {CHAMPION: 90, CANARY: 10})
    versions = versions_of(target, sent)
    for worker in own_server.workers():
        before = set(own_server.workers())
        os.kill(worker, signal.SIGKILL)
        wait_until(
            lambda before=before: (
                len(set(own_server.workers()) - before) == 1 and len(own_server.workers()) == 2
            ),
            "no worker came",
        )
        found = by_each_worker(target, own_server.workers(), sent, versions)
        assert wrong(found) == []
