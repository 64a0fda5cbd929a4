"""Promotion and rollback; aliases that cannot dangle."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from registry.errors import (
    AliasMalformed,
    AliasNotFound,
    AliasTaken,
    ExpectedGenerationConflict,
    ExpectedVersionConflict,
    IdempotencyKeyReused,
    ModelArchived,
    ModelNotFound,
    NothingToRollBackTo,
    VersionHasAlias,
    VersionNotFound,
    VersionNotLoadable,
    VersionNotReady,
)
from registry.operations.archive_model import archive_model
from registry.operations.archive_version import archive_version
from registry.operations.delete_alias import delete_alias
from registry.operations.promote import PromotionRequest, promote
from registry.operations.rollback import rollback
from registry.reading.alias_moves import alias_at, tenures
from registry.reading.live_versions import aliases_of
from registry.reading.pages import Paging
from registry.reading.queries import list_history
from registry.storage.history import record, verify
from registry.storage.idempotency import Idempotency
from registry.storage.tables import AliasRow, ModelRow, utc_now
from tests.factories import add_token, add_versions, ungated
from tests.fakes import Preparer

ANN = PromotionRequest(actor="ann")


@pytest.fixture
def house(database):
    """A model with four versions that are ready, an archived, a failed and a pending one."""
    add_versions(database, "house", ["ready"] * 4 + ["archived", "failed", "pending"])
    return database


def go(database, number, order=ANN, prepare=None):
    return promote(
        database, prepare or Preparer(), "house", str(number), order, evaluate_gates=ungated
    ).view


def back(database, to=None, order=ANN, prepare=None):
    return rollback(
        database, prepare or Preparer(), "house", order, to, evaluate_gates=ungated
    ).view


def live(database, alias="production"):
    with database.read() as session:
        targets = {one["alias"]: one["version"] for one in aliases_of(session, "house")}
    return targets.get(alias)


def events(database):
    with database.read() as session:
        verify(session)
        return list_history(session, "house", Paging())["items"]


def test_the_first_promotion_adds_the_alias(house):
    assert go(house, 1) == {
        "model": "house",
        "alias": "production",
        "version": 1,
        "previous_version": None,
        "generation": 1,
        "gates": [],
    }
    assert live(house) == 1


def test_a_promotion_prepares_moves_and_records(house):
    go(house, 1)
    prepare = Preparer()

    answer = go(house, 2, PromotionRequest(actor="ann", reason="better"), prepare)

    assert (answer["version"], answer["previous_version"], answer["generation"]) == (2, 1, 2)
    assert prepare.prepared == [2]
    newest = events(house)[0]
    assert (newest["type"], newest["actor"], newest["reason"]) == ("promoted", "ann", "better")
    assert (newest["from_version"], newest["to_version"]) == (1, 2)


def test_promoting_the_current_version_adds_nothing(house):
    go(house, 1)
    before = events(house)

    answer = go(house, 1)

    assert (answer["previous_version"], answer["generation"]) == (1, 1)
    assert events(house) == before


def test_latest_and_another_alias_can_be_promoted(house):
    assert go(house, "latest", PromotionRequest(actor="ann", alias="candidate"))["version"] == 4
    assert go(house, "candidate")["version"] == 4
    with house.read() as session:
        listed = [(one["alias"], one["version"]) for one in aliases_of(session, "house")]
    assert listed == [("candidate", 4), ("production", 4)]


@pytest.mark.parametrize("number", [5, 6, 7])
def test_a_version_that_is_not_ready_is_not_promoted(house, number):
    prepare = Preparer()

    with pytest.raises(VersionNotReady):
        go(house, number, prepare=prepare)
    assert prepare.prepared == []


def test_an_unknown_version_is_not_promoted(house):
    with pytest.raises(VersionNotFound):
        go(house, 99)
    with pytest.raises(VersionNotFound):
        go(house, "blue")
    with pytest.raises(ModelNotFound):
        promote(house, Preparer(), "garden", "1", ANN, evaluate_gates=ungated)
    with pytest.raises(AliasMalformed):
        go(house, 1, PromotionRequest(actor="ann", alias="latest"))
    assert events(house) == []


def test_a_version_that_cannot_be_loaded_is_not_promoted(house):
    go(house, 1)

    with pytest.raises(VersionNotLoadable, match=r"cannot be loaded and warmed up: no memory\."):
        go(house, 2, prepare=Preparer(fails_with=VersionNotLoadable("house", 2, "no memory.")))
    assert live(house) == 1
    assert len(events(house)) == 1


def test_a_version_archived_while_it_was_prepared_is_not_promoted(house):
    prepare = Preparer(meanwhile=lambda: archive_version(house, "house", "2", actor="eve"))

    with pytest.raises(VersionNotReady):
        go(house, 2, prepare=prepare)


@pytest.mark.parametrize("expected", [2, None])
def test_a_wrong_expectation_is_a_conflict(house, expected):
    go(house, 1)
    prepare = Preparer()

    with pytest.raises(ExpectedVersionConflict, match="points at version 1"):
        go(house, 3, PromotionRequest(actor="ann", expected_version=expected), prepare)
    assert live(house) == 1
    assert prepare.prepared == [], "no worker loads a version for nothing"


def test_expecting_a_version_of_a_missing_alias_is_a_conflict(house):
    with pytest.raises(ExpectedVersionConflict, match="does not exist"):
        go(house, 1, PromotionRequest(actor="ann", expected_version=1))


def test_met_expectations_allow_the_promotion(house):
    go(house, 1, PromotionRequest(actor="ann", expected_version=None))

    assert go(house, 2, PromotionRequest(actor="ann", expected_version=1))["version"] == 2


@pytest.mark.parametrize("act", [go, back], ids=["promote", "rollback"])
def test_a_wrong_generation_is_a_conflict(house, act):
    go(house, 1)
    go(house, 2)
    go(house, 3, PromotionRequest(actor="ann", alias="candidate"))
    prepare = Preparer()

    with pytest.raises(ExpectedGenerationConflict, match="at generation 3; expected 2"):
        act(house, 1, PromotionRequest(actor="ann", expected_generation=2), prepare=prepare)
    assert (live(house), prepare.prepared) == (2, [])
    answer = act(house, 1, PromotionRequest(actor="ann", expected_generation=3))
    assert (answer["version"], answer["generation"]) == (1, 4)


def test_a_generation_that_changes_while_the_version_is_prepared_is_a_conflict(house):
    go(house, 1)
    candidate = PromotionRequest(actor="eve", alias="candidate")
    prepare = Preparer(meanwhile=lambda: go(house, 3, candidate))

    with pytest.raises(ExpectedGenerationConflict):
        go(house, 2, PromotionRequest(actor="ann", expected_generation=1), prepare)
    assert live(house) == 1


@pytest.mark.parametrize("act", [go, back], ids=["promote", "rollback"])
def test_a_check_within_the_transaction_can_refuse_the_move(house, act):
    go(house, 1)
    go(house, 2)
    before = events(house)

    def refuse(session):
        session.get(AliasRow, ("house", "production")).previous_number = None
        raise RuntimeError("no longer wanted")

    with pytest.raises(RuntimeError, match="no longer wanted"):
        act(house, 1, PromotionRequest(actor="ann", within=refuse))
    assert (live(house), events(house)) == (2, before)
    with house.read() as session:
        assert session.get(AliasRow, ("house", "production")).previous_number == 1


def test_a_write_within_the_transaction_is_committed_with_the_move(house):
    def describe(session):
        session.get(ModelRow, "house").description = "moved"

    go(house, 1, PromotionRequest(actor="ann", within=describe, details={"step": 2}))

    with house.read() as session:
        assert session.get(ModelRow, "house").description == "moved"
    assert events(house)[0]["details"] == {"step": 2}


def test_of_eight_concurrent_promotions_with_one_expectation_one_succeeds(house):
    go(house, 1)

    def attempt(number):
        try:
            return go(house, number, PromotionRequest(actor="ann", expected_version=1))["version"]
        except ExpectedVersionConflict:
            return None

    with ThreadPoolExecutor(8) as threads:
        winners = [n for n in threads.map(attempt, [2, 3, 4] * 3) if n is not None]

    # Who asks for what the winner made of it finds it done only under the old expectation.
    assert winners == [live(house)]
    assert len(events(house)) == 2


def test_repeated_rollbacks_go_further_back(house):
    for number in (1, 2, 3):
        go(house, number)

    assert back(house)["version"] == 2
    assert back(house)["version"] == 1
    with pytest.raises(NothingToRollBackTo, match="no earlier version"):
        back(house)
    assert [event["type"] for event in events(house)][:2] == ["rolled_back", "rolled_back"]


def test_a_promotion_after_a_rollback_continues_from_there(house):
    go(house, 1)
    go(house, 2)
    back(house)
    go(house, 3)

    assert back(house)["version"] == 1


def test_alternating_promotions_are_rolled_back_in_reverse_order(house):
    for number in (1, 2, 1, 3):
        go(house, number)

    assert [back(house)["version"] for _ in range(3)] == [1, 2, 1]


def test_rollback_to_a_version_drops_the_later_ones(house):
    for number in (1, 2, 3, 4):
        go(house, number)
    prepare = Preparer()

    assert back(house, to=2, prepare=prepare)["version"] == 2
    assert prepare.prepared == [2]
    assert back(house)["version"] == 1


def test_rollback_to_a_version_that_was_never_live_is_refused(house):
    go(house, 1)
    go(house, 2, PromotionRequest(actor="ann", alias="candidate"))

    with pytest.raises(NothingToRollBackTo, match="never pointed at version 2"):
        back(house, to=2)
    with pytest.raises(VersionNotFound):
        back(house, to=99)


def test_rollback_to_the_present_version_adds_nothing(house):
    go(house, 1)
    before = events(house)

    assert back(house, to=1)["version"] == 1
    assert events(house) == before


def test_rollback_to_an_archived_version_is_refused(house):
    go(house, 1)
    go(house, 2)
    archive_version(house, "house", "1", actor="ann")

    with pytest.raises(VersionNotReady):
        back(house)
    assert live(house) == 2


def test_rollback_of_a_missing_alias_is_refused(house):
    with pytest.raises(AliasNotFound):
        back(house)


def test_rollback_of_an_alias_moved_meanwhile_is_refused(house):
    for number in (1, 2, 3):
        go(house, number)
    prepare = Preparer(meanwhile=lambda: go(house, 4))

    with pytest.raises(NothingToRollBackTo, match="moved by another request"):
        back(house, prepare=prepare)
    assert live(house) == 4


def test_rollback_to_a_version_that_cannot_be_loaded_changes_nothing(house):
    go(house, 1)
    go(house, 2)

    with pytest.raises(VersionNotLoadable):
        back(house, prepare=Preparer(fails_with=VersionNotLoadable("house", 2, "no memory.")))
    assert live(house) == 2


def test_rollback_checks_the_expected_version(house):
    go(house, 1)
    go(house, 2)

    with pytest.raises(ExpectedVersionConflict):
        back(house, order=PromotionRequest(actor="ann", expected_version=1))
    assert back(house, order=PromotionRequest(actor="ann", expected_version=2))["version"] == 1


def test_deleting_an_alias_ends_only_its_own_history(house):
    candidate = PromotionRequest(actor="ann", alias="candidate")
    for number in (1, 2):
        go(house, number)
        go(house, number, candidate)
    delete_alias(house, "house", "production", actor="ann")
    go(house, 3)

    with pytest.raises(NothingToRollBackTo):
        back(house)
    assert back(house, order=candidate)["version"] == 1


def test_deleting_an_alias_is_recorded(house):
    go(house, 1)

    delete_alias(house, "house", "production", actor="bob")

    newest = events(house)[0]
    assert (newest["type"], newest["from_version"], newest["actor"]) == ("alias_deleted", 1, "bob")
    assert live(house) is None
    with pytest.raises(AliasNotFound):
        delete_alias(house, "house", "production", actor="bob")


@pytest.mark.parametrize("act", [go, back], ids=["promote", "rollback"])
def test_a_repeated_key_returns_the_first_answer_without_effect(house, act):
    go(house, 1)
    go(house, 2)
    order = PromotionRequest(actor="ann", idempotency=Idempotency(add_token(house), "k", "f"))
    first = act(house, 1, order)
    go(house, 3)

    assert act(house, 1, order) == first
    assert live(house) == 3


def test_a_key_used_for_another_promotion_is_refused(house):
    token = add_token(house)
    go(house, 1, PromotionRequest(actor="ann", idempotency=Idempotency(token, "k", "f")))

    with pytest.raises(IdempotencyKeyReused):
        go(house, 2, PromotionRequest(actor="ann", idempotency=Idempotency(token, "k", "g")))
    assert live(house) == 1


def test_eight_concurrent_rollbacks_with_one_key_happen_once(house):
    for number in (1, 2, 3):
        go(house, number)
    order = PromotionRequest(actor="ann", idempotency=Idempotency(add_token(house), "k", "f"))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: back(house, order=order), range(8)))

    assert answers == [answers[0]] * 8
    assert live(house) == 2


def test_a_live_version_cannot_be_archived(house):
    go(house, 1)
    go(house, 1, PromotionRequest(actor="ann", alias="blue"))

    with pytest.raises(VersionHasAlias, match=r"'blue', 'production'|'production', 'blue'"):
        archive_version(house, "house", "1", actor="ann")


def test_archiving_twice_is_recorded_once(house):
    archive_version(house, "house", "1", actor="ann")
    archive_version(house, "house", "1", actor="ann")

    assert [event["type"] for event in events(house)] == ["archived"]


def test_archiving_a_model_removes_its_aliases(house):
    go(house, 1)

    archive_model(house, "house", actor="ann")
    archive_model(house, "house", actor="ann")

    assert [event["type"] for event in events(house)] == ["model_archived", "promoted"]
    assert events(house)[0]["details"] == {"aliases": {"production": 1}}
    with house.read() as session:
        assert aliases_of(session, "house") == []
    with pytest.raises(VersionNotReady):
        go(house, 1)
    with pytest.raises(ModelArchived):
        archive_and_promote(house)


def archive_and_promote(database):
    """The model is archived while its version, of a row that stayed ready, is being loaded."""
    add_versions(database, "shed")
    meanwhile = Preparer(meanwhile=lambda: archive_model(database, "shed", actor="eve"))
    promote(database, meanwhile, "shed", "1", ANN, evaluate_gates=ungated)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM versions WHERE model = 'house' AND number = 1",
        "UPDATE versions SET number = 9 WHERE model = 'house' AND number = 1",
        "UPDATE aliases SET number = 99",
        "UPDATE aliases SET model = 'garden'",
        "INSERT INTO aliases (model, name, number) VALUES ('garden', 'blue', 3)",
        "INSERT INTO aliases (model, name, number) VALUES ('nowhere', 'blue', 1)",
        "DELETE FROM models WHERE name = 'house'",
        "INSERT INTO aliases (model, name, number) VALUES ('house', 'production', 2)",
    ],
)
def test_foreign_keys_prevent_dangling_aliases(house, statement):
    go(house, 1)
    add_versions(house, "garden", [])

    with pytest.raises(IntegrityError), house.write() as session:
        session.execute(text(statement))
    assert live(house) == 1


def test_an_alias_that_differs_only_in_case_is_refused(house):
    champion = PromotionRequest(actor="ann", alias="Champion")
    go(house, 1, champion)

    for other in ("champion", "CHAMPION"):
        with pytest.raises(AliasTaken, match="'Champion'"):
            go(house, 2, PromotionRequest(actor="ann", alias=other))
    go(house, 2, champion)

    assert (live(house, "Champion"), live(house, "champion")) == (2, None)


@pytest.mark.parametrize("alias", ["v1", "ping", "Invocations"])
def test_an_alias_of_an_earlier_release_that_is_refused_today_is_moved_and_deleted(house, alias):
    order = PromotionRequest(actor="ann", alias=alias)
    with pytest.raises(AliasMalformed):
        go(house, 1, order)
    with house.write() as session:
        session.add(AliasRow(model="house", name=alias, number=1))

    go(house, 2, order)
    assert live(house, alias) == 2
    delete_alias(house, "house", alias, actor="ann")
    assert live(house, alias) is None


def test_an_event_that_names_an_alias_without_moving_it_is_no_move(house):
    """As that of a change of a split."""
    go(house, 1)
    go(house, 2)
    with house.write() as session:
        for number in (3, None):
            record(
                session,
                "model_updated",
                actor="ann",
                model="house",
                alias="production",
                to_version=number,
            )
    now = utc_now()

    with house.read() as session:
        (alias,) = aliases_of(session, "house")
        assert alias["trail"] == [1]
        assert alias_at(session, "house", "production", now)["version"] == 2
        assert [one.number for one in tenures(session, "house", "production")] == [1, 2]
    with pytest.raises(NothingToRollBackTo, match="never pointed at version 3"):
        back(house, to=3)
