"""A repeat of a change whose answer was lost states what holds: before that it is announced and
confirmed again on the hosts that share the database."""

import pytest

from registry.errors import (
    AliasNotFound,
    ExpectedGenerationConflict,
    ExpectedVersionConflict,
    SplitNotFound,
    TokenNotFound,
    TokenRefused,
    VersionNotFound,
)
from registry.operations.alias_requests import AliasRequest
from registry.operations.delete_alias import delete_alias
from registry.operations.end_split import end_split
from registry.operations.promote import PromotionRequest, promote
from registry.operations.revoke_token import revoke_token
from registry.operations.rotate_token import rotate_token
from registry.operations.split_alias import SplitRequest, split_alias
from tests.factories import add_token, add_versions, ungated
from tests.fakes import Preparer

AGAIN = ["announced", "confirmed"]


@pytest.fixture
def house(either_database):
    """Three versions, the second one in production; two tokens, of which the first is revoked."""
    add_versions(either_database, "house", ["ready"] * 3)
    promote_to(either_database, 2)
    for number in range(2):
        add_token(either_database, f"hsw_{number}")
    revoke_token(either_database, 1, actor="ann")
    return either_database


@pytest.fixture
def called(house):
    """What was done since the test began so that changes hold."""
    said = []
    house.committed = lambda: said.append("announced")
    house.confirmed = lambda: said.append("confirmed")
    return said


def promote_to(database, number, **given):
    order = PromotionRequest(actor="ann", **given)
    return promote(database, Preparer(), "house", str(number), order, evaluate_gates=ungated)


def split(database, **given):
    order = SplitRequest(actor="ann", weights={2: 9000, 3: 1000}, **given)
    return split_alias(database, Preparer(), "house", order, evaluate_gates=ungated)


def end(database, **given):
    return end_split(database, "house", AliasRequest(actor="ann", **given))


def delete(database, **given):
    delete_alias(database, "house", actor="ann", **{"alias": "gone", **given})


@pytest.mark.parametrize(
    ("repeat", "error"),
    [
        (delete, AliasNotFound),
        (
            lambda db: delete(db, alias="production", expected_generation=0),
            ExpectedGenerationConflict,
        ),
        (end, SplitNotFound),
        (lambda db: end(db, alias="gone"), AliasNotFound),
        (lambda db: end(db, expected_generation=0), ExpectedGenerationConflict),
        (lambda db: promote_to(db, 2, expected_version=1), ExpectedVersionConflict),
        (lambda db: promote_to(db, 2, expected_generation=0), ExpectedGenerationConflict),
        (lambda db: split(db, expected_version=1), ExpectedVersionConflict),
        (lambda db: rotate_token(db, 1, actor="ann"), TokenRefused),
    ],
)
def test_an_error_that_states_what_an_earlier_request_changed_is_confirmed(
    house, called, repeat, error
):
    with pytest.raises(error):
        repeat(house)

    assert called == AGAIN


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (lambda db: promote_to(db, 9), VersionNotFound),
        (lambda db: rotate_token(db, 9, actor="ann"), TokenNotFound),
    ],
)
def test_other_errors_wait_for_nobody(house, called, refused, error):
    with pytest.raises(error):
        refused(house)

    assert called == []
