"""Splits of an alias, and what every other operation does with an alias that is split."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from registry.errors import (
    AliasNotFound,
    ChampionMoved,
    ExpectedGenerationConflict,
    ExpectedVersionConflict,
    GateFailed,
    IdempotencyKeyReused,
    ModelNotFound,
    NothingToRollBackTo,
    ScoringBusy,
    SplitActive,
    SplitNotFound,
    SplitRefused,
    VersionHasAlias,
    VersionNotFound,
    VersionNotLoadable,
    VersionNotReady,
)
from registry.gates.results import GateResult
from registry.operations.alias_requests import AliasRequest
from registry.operations.archive_model import archive_model
from registry.operations.archive_version import archive_version
from registry.operations.delete_alias import delete_alias
from registry.operations.end_split import end_split
from registry.operations.promote import PromotionRequest, promote
from registry.operations.rollback import rollback
from registry.operations.set_policy import set_policy
from registry.operations.split_alias import SplitRequest, split_alias
from registry.reading.live_versions import aliases_of
from registry.reading.pages import Paging
from registry.reading.queries import list_history
from registry.reading.splits import split_of
from registry.storage.database import Database
from registry.storage.history import verify
from registry.storage.idempotency import Idempotency
from registry.storage.split_tables import AliasArmRow
from registry.storage.tables import AliasRow, ModelRow
from tests.factories import add_token, add_versions, ungated, version_row
from tests.fakes import Preparer

ANN = PromotionRequest(actor="ann")
CANARY = {2: 9000, 3: 1000}
"""Version 2 is the champion."""


class Evaluator:
    """Lets every gate pass but those named; notes the candidate, the champion and the gates, and
    lets ``meanwhile`` happen."""

    def __init__(self, *failing, meanwhile=None):
        self.asked = []
        self._failing = failing
        self._meanwhile = meanwhile

    def __call__(self, inputs):
        candidate, champion = inputs.candidate.version.number, inputs.champion.version.number
        self.asked.append((candidate, champion, [gate.text for gate in inputs.gates]))
        if self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()
        return [
            GateResult(gate=gate.text, passed=gate.text not in self._failing)
            for gate in inputs.gates
        ]


@pytest.fixture
def house(database):
    """Five versions that are ready and one that is archived; production went from 1 to 2."""
    add_versions(database, "house", ["ready"] * 5 + ["archived"])
    go(database, 1)
    go(database, 2)
    return database


def go(database, number, order=ANN, prepare=None):
    return promote(
        database, prepare or Preparer(), "house", str(number), order, evaluate_gates=ungated
    ).view


def back(database, to=None, order=ANN):
    return rollback(database, Preparer(), "house", order, to, evaluate_gates=ungated).view


def split(database, weights=None, prepare=None, evaluate=None, **given):
    order = SplitRequest(**{"actor": "ann", "weights": weights or CANARY, **given})
    prepare, evaluate = prepare or Preparer(), evaluate or Evaluator()
    return split_alias(database, prepare, "house", order, evaluate_gates=evaluate).view


def end(database, **given):
    return end_split(database, "house", AliasRequest(**{"actor": "ann", **given})).view


def state(database, alias="production"):
    """What the alias points at, its weights, and the model's generation."""
    with database.read() as session:
        row = session.get(AliasRow, ("house", alias))
        arms = session.scalars(select(AliasArmRow).where(AliasArmRow.alias == alias)).all()
        generation = session.get(ModelRow, "house").generation
    assert (row is not None and row.split_by is not None) is bool(arms)
    assert (row is not None and row.split_salt is not None) is bool(arms)
    return row and row.number, {arm.number: arm.weight for arm in arms}, generation


def salt_of(database):
    with database.read() as session:
        return session.get(AliasRow, ("house", "production")).split_salt


def ranges_of(database):
    with database.read() as session:
        return {arm.number: arm.ranges for arm in session.scalars(select(AliasArmRow))}


def events(database, most=2):
    with database.read() as session:
        verify(session)
        return list_history(session, "house", Paging())["items"][:most]


class TestSplitting:
    def test_it_prepares_every_arm_and_leaves_the_champion(self, house):
        prepare = Preparer()

        view = split(house, reason="try it", prepare=prepare)

        assert sorted(prepare.prepared) == [2, 3]
        assert state(house) == (2, CANARY, 3)
        assert {key: view[key] for key in view if key not in {"since", "gates"}} == {
            "model": "house",
            "alias": "production",
            "version": 2,
            "by": "header",
            "arms": [{"version": 2, "weight": 90}, {"version": 3, "weight": 10}],
            "generation": 3,
            "changed_by": "ann",
            "reason": "try it",
        }
        assert [(one["version"], one["gate"]) for one in view["gates"]] == [
            (3, "signature compatible")
        ]
        event = events(house)[0]
        assert (event["type"], event["actor"], event["reason"]) == (
            "split_changed",
            "ann",
            "try it",
        )
        assert (event["alias"], event["at"]) == ("production", view["since"])
        assert event["details"] == {
            "weights": {"2": 90, "3": 10},
            "before": None,
            "by": "header",
            "gates": {"3": [GateResult(gate="signature compatible", passed=True).to_json()]},
        }

    def test_it_is_shown_by_the_alias_and_by_itself(self, house):
        made = split(house, {2: 9475, 4: 525}, by="token")

        with house.read() as session:
            (alias,) = aliases_of(session, "house")
            shown = split_of(session, "house", "production")
        arms = [{"version": 2, "weight": 94.75}, {"version": 4, "weight": 5.25}]
        assert (alias["version"], alias["rollback_to"]) == (2, 1)
        assert alias["split"] == {"by": "token", "arms": arms}
        assert shown == {key: made[key] for key in made if key != "gates"}
        assert shown["arms"] == arms

    def test_a_later_change_prepares_and_checks_only_the_new_arms(self, house):
        split(house)
        salt = salt_of(house)
        prepare, evaluate = Preparer(), Evaluator()

        split(house, {2: 5000, 3: 3000, 4: 2000}, prepare, evaluate)

        assert prepare.prepared == [4]
        assert evaluate.asked == [(4, 2, ["signature compatible"])]
        assert state(house) == (2, {2: 5000, 3: 3000, 4: 2000}, 4)
        assert salt_of(house) == salt
        assert events(house)[0]["details"]["before"] == {"2": 90, "3": 10}

    def test_a_later_change_moves_as_few_buckets_as_possible(self, house):
        split(house)
        assert ranges_of(house) == {2: [[0, 9000]], 3: [[9000, 10000]]}

        split(house, {2: 7500, 3: 2500})
        assert ranges_of(house) == {2: [[0, 7500]], 3: [[7500, 10000]]}
        split(house, {2: 7500, 3: 2000, 4: 500})
        assert ranges_of(house) == {2: [[0, 7500]], 3: [[7500, 9500]], 4: [[9500, 10000]]}

    def test_each_split_has_a_salt_of_its_own(self, house):
        split(house)
        first = salt_of(house)
        end(house)
        split(house)

        assert len(first) == 16
        assert salt_of(house) != first

    def test_the_same_weights_again_change_nothing(self, house):
        made = split(house, by="token")
        before = events(house, 9)

        again = split(house)

        assert {**again, "gates": made["gates"]} == made
        assert (again["gates"], events(house, 9)) == ([], before)

    def test_what_it_is_chosen_by_stays_unless_another_is_given(self, house):
        split(house, by="token")
        assert split(house, {2: 8000, 3: 2000})["by"] == "token"
        assert split(house, {2: 8000, 3: 2000}, by="random")["by"] == "random"
        assert events(house)[0]["details"]["by"] == "random"

    def test_an_arm_may_have_the_weight_zero(self, house):
        split(house, {2: 10000, 3: 0})

        assert (state(house)[1], ranges_of(house)[3]) == ({2: 10000, 3: 0}, [])
        assert go(house, 3)["version"] == 3

    def test_other_aliases_are_left_alone(self, house):
        go(house, 1, PromotionRequest(actor="ann", alias="blue"))
        split(house)
        split(house, {1: 5000, 4: 5000}, alias="blue")
        end(house, alias="blue")

        assert state(house)[1] == CANARY
        assert state(house, "blue")[:2] == (1, {})

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            ({2: 10000}, "2 to 4 versions"),
            ({2: 6000, 1: 1000, 3: 1000, 4: 1000, 5: 1000}, "2 to 4 versions"),
            ({2: 9000, 3: 900}, r"add up to 99%"),
            ({2: 9000, 3: 1500}, r"add up to 105%"),
            ({2: 11000, 3: -1000}, "from 0 to 100"),
            ({3: 9000, 4: 1000}, "version 2"),
        ],
    )
    def test_weights_that_are_not_those_of_a_split_are_refused(self, house, weights, message):
        prepare = Preparer()

        with pytest.raises(SplitRefused, match=message):
            split(house, weights, prepare)
        assert (state(house), prepare.prepared) == ((2, {}, 2), [])

    def test_what_does_not_exist_cannot_be_split(self, house):
        with pytest.raises(AliasNotFound):
            split(house, alias="blue")
        with pytest.raises(VersionNotFound):
            split(house, {2: 9000, 99: 1000})
        with pytest.raises(VersionNotReady):
            split(house, {2: 9000, 6: 1000})
        order = SplitRequest(actor="ann", weights=CANARY)
        with pytest.raises(ModelNotFound):
            split_alias(house, Preparer(), "garden", order, evaluate_gates=Evaluator())
        assert state(house) == (2, {}, 2)

    def test_an_arm_that_cannot_be_loaded_changes_nothing(self, house):
        with pytest.raises(VersionNotLoadable):
            split(house, prepare=Preparer(VersionNotLoadable("house", 3, "no memory.")))
        assert state(house) == (2, {}, 2)

    def test_expectations_are_compared_with_the_champion_and_the_generation(self, house):
        with pytest.raises(ExpectedVersionConflict):
            split(house, expected_version=3)
        with pytest.raises(ExpectedGenerationConflict):
            split(house, expected_generation=1)
        split(house, expected_version=2, expected_generation=2)
        with pytest.raises(ExpectedGenerationConflict, match="at generation 3; expected 2"):
            split(house, {2: 8000, 3: 2000}, expected_generation=2)
        split(house, {2: 8000, 3: 2000}, expected_version=2, expected_generation=3)

    def test_a_repeated_key_returns_the_first_answer_without_effect(self, house):
        key = Idempotency(add_token(house), "k", "f")
        first = split(house, idempotency=key)
        end(house)

        assert split(house, idempotency=key) == first
        assert state(house)[1] == {}
        with pytest.raises(IdempotencyKeyReused):
            split(house, idempotency=Idempotency(key.token_id, "k", "g"))

    def test_eight_concurrent_splits_with_one_key_happen_once(self, house):
        key = Idempotency(add_token(house), "k", "f")

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: split(house, idempotency=key), range(8)))

        assert answers == [answers[0]] * 8
        assert state(house) == (2, CANARY, 3)

    def test_of_eight_concurrent_changes_with_one_generation_one_succeeds(self, house):
        split(house)

        def attempt(weight):
            try:
                weights = {2: 10000 - weight, 3: weight}
                return split(house, weights, expected_generation=3)["arms"][1]["weight"]
            except ExpectedGenerationConflict:
                return None

        with ThreadPoolExecutor(8) as threads:
            made = [one for one in threads.map(attempt, range(2000, 2800, 100)) if one is not None]

        assert len(made) == 1
        assert state(house) == (2, {2: 10000 - made[0] * 100, 3: made[0] * 100}, 4)

    def test_details_and_a_check_of_the_caller_are_part_of_the_transaction(self, house):
        def refuse(session):
            raise RuntimeError("no longer wanted")

        with pytest.raises(RuntimeError, match="no longer wanted"):
            split(house, within=refuse)
        assert state(house) == (2, {}, 2)
        split(house, details={"rollout": 7, "step": 1}, via="mlflow")
        details = events(house)[0]["details"]
        assert (details["rollout"], details["step"], details["via"]) == (7, 1, "mlflow")

    def test_a_copy_of_the_database_has_the_split(self, tmp_path, sqlite_template):
        original = Database(f"sqlite:///{tmp_path / 'registry.db'}")
        shutil.copy(sqlite_template, tmp_path / "registry.db")
        add_versions(original, "house", ["ready"] * 3)
        go(original, 2)
        split(original)
        original.copy_to(tmp_path / "copy.db")
        copy = Database(f"sqlite:///{tmp_path / 'copy.db'}")

        assert state(copy) == state(original)
        assert (salt_of(copy), ranges_of(copy)) == (salt_of(original), ranges_of(original))
        for database in (original, copy):
            database.dispose()


class TestGates:
    def test_each_new_arm_must_pass_the_gates_of_the_policy_and_of_the_request(self, house):
        set_policy(house, "house", ["rmse < champion"], actor="ann")
        evaluate = Evaluator("rmse < champion")

        with pytest.raises(GateFailed, match="Version 3 of 'house'"):
            split(house, {2: 8000, 3: 1000, 4: 1000}, evaluate=evaluate)

        gates = ["rmse < champion", "signature compatible"]
        assert evaluate.asked[0] == (3, 2, gates)
        assert state(house) == (2, {}, 2)

    def test_a_forced_split_says_so(self, house):
        set_policy(house, "house", ["rmse < champion"], actor="ann")

        split(house, evaluate=Evaluator("rmse < champion"), force=True, reason="urgent")

        details = events(house)[0]["details"]
        assert details["forced"] is True
        assert [one["passed"] for one in details["gates"]["3"]] == [False, True]

    def test_force_does_not_help_an_arm_that_takes_other_columns(self, house):
        wider = version_row("house", 7).signature
        wider["inputs"] = [*wider["inputs"], {"name": "height", "type": "number"}]
        with house.write() as session:
            session.add(version_row("house", 7, signature=wider))

        with pytest.raises(GateFailed, match="signature compatible"):
            split(house, {2: 9000, 7: 1000}, evaluate=Evaluator("signature compatible"), force=True)
        assert state(house) == (2, {}, 2)

    def test_force_succeeds_when_gates_cannot_be_evaluated(self, house):
        def busy(inputs):
            raise ScoringBusy

        with pytest.raises(ScoringBusy):
            split(house, evaluate=busy)
        view = split(house, evaluate=busy, force=True, reason="urgent")
        assert [one["passed"] for one in view["gates"]] == [False]

    def test_a_policy_changed_during_the_evaluation_is_applied(self, house):
        evaluate = Evaluator(
            meanwhile=lambda: set_policy(house, "house", ["rmse < champion"], actor="eve")
        )

        split(house, evaluate=evaluate)

        assert [gates for _, _, gates in evaluate.asked] == [
            ["signature compatible"],
            ["rmse < champion", "signature compatible"],
        ]

    def test_a_champion_that_moved_during_the_evaluation_is_a_conflict(self, house):
        with pytest.raises(SplitRefused, match="version 4"):
            split(house, evaluate=Evaluator(meanwhile=lambda: go(house, 4)))
        assert state(house)[:2] == (4, {})

    def test_a_split_that_ended_during_the_evaluation_is_a_conflict(self, house):
        split(house)

        with pytest.raises(ChampionMoved):
            split(
                house,
                {2: 8000, 3: 1000, 4: 1000},
                evaluate=Evaluator(meanwhile=lambda: end(house)),
            )
        assert state(house)[:2] == (2, {})

    def test_promoting_an_arm_compares_it_with_the_champion(self, house):
        split(house)
        set_policy(house, "house", ["rmse < champion"], actor="ann")
        evaluate = Evaluator("rmse < champion")

        with pytest.raises(GateFailed):
            promote(house, Preparer(), "house", "3", ANN, evaluate_gates=evaluate)
        assert evaluate.asked == [(3, 2, ["rmse < champion"])]
        assert state(house)[:2] == (2, CANARY)


class TestEnding:
    def test_the_champion_gets_all(self, house):
        split(house)

        view = end(house, reason="enough", details={"rollout": 7})

        assert view == {
            "model": "house",
            "alias": "production",
            "version": 2,
            "previous_version": 2,
            "generation": 4,
            "gates": [],
            "split_ended": True,
        }
        assert state(house) == (2, {}, 4)
        event = events(house)[0]
        assert (event["type"], event["reason"]) == ("split_ended", "enough")
        assert event["details"] == {
            "weights": {"2": 90, "3": 10},
            "by": "header",
            "why": "ended",
            "rollout": 7,
        }

    def test_what_is_not_split_is_not_found(self, house):
        with pytest.raises(SplitNotFound):
            end(house)
        with pytest.raises(AliasNotFound):
            end(house, alias="blue")
        with house.read() as session, pytest.raises(SplitNotFound):
            split_of(session, "house", "production")
        with house.read() as session, pytest.raises(AliasNotFound):
            split_of(session, "house", "blue")

    def test_expectations_are_compared(self, house):
        split(house)
        with pytest.raises(ExpectedGenerationConflict):
            end(house, expected_generation=2)
        with pytest.raises(ExpectedVersionConflict):
            end(house, expected_version=3)
        assert end(house, expected_generation=3, expected_version=2)["generation"] == 4

    def test_a_repeated_key_returns_the_first_answer_without_effect(self, house):
        split(house)
        key = Idempotency(add_token(house), "k", "f")
        first = end(house, idempotency=key)
        split(house)

        assert end(house, idempotency=key) == first
        assert state(house)[1] == CANARY

    def test_a_check_of_the_caller_can_refuse_it(self, house):
        split(house)

        def refuse(session):
            raise RuntimeError("no longer wanted")

        with pytest.raises(RuntimeError, match="no longer wanted"):
            end(house, within=refuse)
        assert state(house) == (2, CANARY, 3)


class TestOtherOperations:
    """The table of docs/splits.md, row by row."""

    def test_promoting_an_arm_ends_the_split(self, house):
        split(house)

        view = go(house, 3, PromotionRequest(actor="bob", reason="good"))

        assert (view["version"], view["previous_version"], view["generation"]) == (3, 2, 4)
        assert view["split_ended"] is True
        assert state(house) == (3, {}, 4)
        promoted, ended = events(house)
        assert (promoted["type"], promoted["from_version"], promoted["to_version"]) == (
            "promoted",
            2,
            3,
        )
        assert (ended["type"], ended["actor"], ended["reason"]) == ("split_ended", "bob", "good")
        assert ended["details"]["why"] == "promoted"
        assert back(house)["version"] == 2, "the trail has the arm"

    def test_promoting_the_champion_ends_the_split(self, house):
        split(house)

        view = go(house, 2)

        assert (view["version"], view["previous_version"], view["generation"]) == (2, 2, 4)
        assert state(house) == (2, {}, 4)
        assert [event["type"] for event in events(house)] == ["split_ended", "split_changed"]
        assert back(house)["version"] == 1, "the trail is as it was"

    def test_promoting_another_version_is_a_conflict_unless_it_may_end_the_split(self, house):
        split(house)
        prepare = Preparer()

        with pytest.raises(SplitActive, match="split over the versions 2 and 3"):
            go(house, 4, prepare=prepare)
        assert (state(house), prepare.prepared) == ((2, CANARY, 3), [])

        view = go(house, 4, PromotionRequest(actor="ann", end_split=True))
        assert (view["version"], view["split_ended"]) == (4, True)
        assert state(house) == (4, {}, 4)

    def test_a_split_that_began_while_a_version_was_prepared_is_a_conflict(self, house):
        prepare = Preparer(meanwhile=lambda: split(house))

        with pytest.raises(SplitActive):
            go(house, 4, prepare=prepare)
        assert state(house) == (2, CANARY, 3)

    def test_a_rollback_ends_the_split_and_the_next_one_goes_back(self, house):
        split(house)

        view = back(house, order=PromotionRequest(actor="bob", reason="slow"))

        assert (view["version"], view["previous_version"]) == (2, 2)
        assert view["split_ended"] is True
        assert state(house) == (2, {}, 4)
        event = events(house)[0]
        assert (event["type"], event["actor"], event["reason"]) == ("split_ended", "bob", "slow")
        assert event["details"]["why"] == "rolled_back"
        assert back(house)["version"] == 1

    def test_a_rollback_to_a_version_ends_the_split_and_goes_there(self, house):
        split(house)

        view = back(house, to=1)

        assert (view["version"], view["previous_version"], view["generation"]) == (1, 2, 4)
        assert state(house) == (1, {}, 4)
        rolled_back, ended = events(house)
        assert (rolled_back["type"], ended["type"]) == ("rolled_back", "split_ended")
        assert ended["details"]["why"] == "rolled_back"

    def test_a_rollback_to_an_arm_that_was_never_the_champion_is_refused(self, house):
        split(house)

        with pytest.raises(NothingToRollBackTo, match="never pointed at version 3"):
            back(house, to=3)
        assert state(house) == (2, CANARY, 3)

    def test_a_repeated_rollback_that_ended_a_split_returns_the_first_answer(self, house):
        split(house)
        order = PromotionRequest(actor="ann", idempotency=Idempotency(add_token(house), "k", "f"))
        first = back(house, order=order)

        assert back(house, order=order) == first, "it does not go back further"
        assert state(house) == (2, {}, 4)
        split(house)
        assert back(house, order=order) == first
        assert state(house)[1] == CANARY

    def test_a_split_that_began_while_the_previous_version_was_prepared_is_a_conflict(self, house):
        prepare = Preparer(meanwhile=lambda: split(house))

        with pytest.raises(NothingToRollBackTo, match="moved by another request"):
            rollback(house, prepare, "house", ANN, evaluate_gates=ungated)
        assert state(house) == (2, CANARY, 3)

    def test_deleting_the_alias_ends_the_split(self, house):
        split(house)

        delete_alias(house, "house", "production", actor="bob")

        assert state(house) == (None, {}, 4)
        deleted, ended = events(house)
        assert (deleted["type"], deleted["from_version"]) == ("alias_deleted", 2)
        assert (ended["type"], ended["details"]["why"]) == ("split_ended", "alias_deleted")

    def test_archiving_the_model_ends_its_splits(self, house):
        go(house, 1, PromotionRequest(actor="ann", alias="blue"))
        split(house)
        split(house, {1: 5000, 4: 5000}, alias="blue")

        archive_model(house, "house", actor="bob")

        assert state(house)[:2] == (None, {})
        assert state(house, "blue")[:2] == (None, {})
        archived, *ended = events(house, 3)
        assert archived["details"] == {"aliases": {"blue": 1, "production": 2}}
        assert {one["alias"] for one in ended} == {"blue", "production"}
        assert {one["details"]["why"] for one in ended} == {"model_archived"}

    @pytest.mark.parametrize("number", [2, 3])
    def test_an_arm_cannot_be_archived(self, house, number):
        split(house, {2: 10000, 3: 0})

        with pytest.raises(VersionHasAlias, match="'production'"):
            archive_version(house, "house", str(number), actor="ann")
        end(house)
        if number == 3:
            archive_version(house, "house", "3", actor="ann")

    def test_an_arm_archived_while_it_was_prepared_is_refused(self, house):
        prepare = Preparer(meanwhile=lambda: archive_version(house, "house", "3", actor="eve"))

        with pytest.raises(VersionNotReady):
            split(house, prepare=prepare)
        assert state(house) == (2, {}, 2)

    def test_a_promotion_expects_the_champion(self, house):
        split(house)

        with pytest.raises(ExpectedVersionConflict):
            go(house, 3, PromotionRequest(actor="ann", expected_version=3))
        assert go(house, 3, PromotionRequest(actor="ann", expected_version=2))["version"] == 3
