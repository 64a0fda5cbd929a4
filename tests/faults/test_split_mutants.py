"""The checks that every fault test makes detect faulty splits."""

import pytest

from registry.operations.split_alias import split_alias
from tests.faults.registries import begin_used, open_registry
from tests.faults.restart import faults_of
from tests.faults.split_mutants import (
    assigns_buckets_anew,
    evaluates_the_gates_of_one_version,
    takes_a_new_salt,
    takes_the_lowest_buckets_away,
)
from tests.faults.splits import salt_of
from tests.marks import first_fast

OTHER_BUCKETS = "the buckets of house/production are not those that follow from the history"
MUTANTS = [
    (assigns_buckets_anew, OTHER_BUCKETS),
    (takes_the_lowest_buckets_away, OTHER_BUCKETS),
    (evaluates_the_gates_of_one_version, "house/3 entered a split without its gates"),
    (takes_a_new_salt, "the salt changed"),
]


def faults_of_changes(data, splitting):
    """What is wrong after an alias was split over two new versions, and its weights changed."""
    registry = open_registry(data, splitting=splitting)
    begin_used(registry)
    registry.split([(1, 10), (2, 70), (3, 20)])
    before = salt_of(registry.database, "house", "production")
    faults = faults_of(registry)
    for weights in ([(1, 30), (2, 40), (3, 30)], [(1, 10), (2, 90)]):
        registry.split(weights)
        faults += faults_of(registry)
    if salt_of(registry.database, "house", "production") != before:
        faults.append("the salt changed")
    registry.close()
    return faults


def test_nothing_is_wrong_with_the_real_one(tmp_path):
    assert faults_of_changes(tmp_path, split_alias) == []


@pytest.mark.parametrize(("mutant", "fault"), first_fast(MUTANTS))
def test_a_mutant_is_detected(tmp_path, mutant, fault):
    assert fault in faults_of_changes(tmp_path, mutant())
