"""A promotion is valid only for the champion, policy and holdout that its gates used."""

import pytest

from registry.errors import ChampionMoved, ExpectedVersionConflict, GateFailed, ScoringBusy
from registry.gates.results import GateResult
from registry.operations.promote import PromotionRequest, promote
from registry.operations.rollback import rollback
from registry.operations.set_policy import set_policy
from registry.reading.pages import Paging
from registry.reading.queries import list_history
from registry.storage.tables import AliasRow
from tests.factories import add_versions, ungated
from tests.fakes import Preparer

ANN = PromotionRequest(actor="ann")


@pytest.fixture
def house(database):
    """Three versions, the first in production, and a gate."""
    add_versions(database, "house", ["ready"] * 3)
    promote(database, Preparer(), "house", "1", ANN, evaluate_gates=ungated)
    set_policy(database, "house", ["rmse < champion"], actor="ann")
    return database


class GateEvaluator:
    """Lets versions pass, notes what it was asked, and lets ``meanwhile`` happen."""

    def __init__(self, *meanwhile, passes=True):
        self.asked = []
        self._meanwhile = list(meanwhile)
        self._passes = passes

    def __call__(self, inputs):
        champion = None if inputs.champion is None else inputs.champion.version.number
        self.asked.append((champion, [gate.text for gate in inputs.gates]))
        if self._meanwhile:
            self._meanwhile.pop(0)()
        return [GateResult(gate=gate.text, passed=self._passes) for gate in inputs.gates]


def point_at(database, number):
    """What another worker's promotion does."""
    with database.write() as session:
        session.get(AliasRow, ("house", "production")).number = number


def live(database):
    with database.read() as session:
        return session.get(AliasRow, ("house", "production")).number


def test_a_champion_that_changes_during_the_comparison_is_compared_again(house):
    evaluator = GateEvaluator(lambda: point_at(house, 3))

    view = promote(house, Preparer(), "house", "2", ANN, evaluate_gates=evaluator).view

    assert evaluator.asked == [(1, ["rmse < champion"]), (3, ["rmse < champion"])]
    assert (view["version"], view["previous_version"]) == (2, 3)


def test_a_policy_changed_during_the_evaluation_is_applied(house):
    evaluator = GateEvaluator(lambda: set_policy(house, "house", ["r2 > 0.5"], actor="bob"))

    view = promote(house, Preparer(), "house", "2", ANN, evaluate_gates=evaluator).view

    assert [gate["gate"] for gate in view["gates"]] == ["r2 > 0.5"]


def test_a_champion_that_keeps_changing_is_a_conflict(house):
    evaluator = GateEvaluator(*(lambda n=n: point_at(house, n) for n in (3, 1, 3, 1)))

    with pytest.raises(ChampionMoved):
        promote(house, Preparer(), "house", "2", ANN, evaluate_gates=evaluator)

    assert len(evaluator.asked) == 3
    assert live(house) == 3


def test_an_expected_champion_that_changed_is_a_conflict(house):
    evaluator = GateEvaluator(lambda: point_at(house, 3))
    order = PromotionRequest(actor="ann", expected_version=1)

    with pytest.raises(ExpectedVersionConflict):
        promote(house, Preparer(), "house", "2", order, evaluate_gates=evaluator)

    assert live(house) == 3


def test_a_version_promoted_meanwhile_by_another_request_passes_without_gates(house):
    evaluator = GateEvaluator(lambda: point_at(house, 2), passes=False)

    view = promote(house, Preparer(), "house", "2", ANN, evaluate_gates=evaluator).view

    assert (view["version"], view["previous_version"], view["gates"]) == (2, 2, [])


def test_without_gates_a_changing_champion_does_not_matter(house):
    set_policy(house, "house", [], actor="ann")
    evaluator = GateEvaluator(lambda: point_at(house, 3))

    view = promote(house, Preparer(), "house", "2", ANN, evaluate_gates=evaluator).view

    assert evaluator.asked == [(None, [])]
    assert view["previous_version"] == 3


def test_a_failed_gate_changes_nothing(house):
    with house.read() as session:
        before = list_history(session, "house", Paging())

    with pytest.raises(GateFailed) as raised:
        promote(house, Preparer(), "house", "2", ANN, evaluate_gates=GateEvaluator(passes=False))

    assert raised.value.results[0]["gate"] == "rmse < champion"
    assert live(house) == 1
    with house.read() as session:
        assert list_history(session, "house", Paging()) == before


def test_a_rollback_evaluates_no_comparing_gates(house):
    point_at(house, 2)
    promote(
        house,
        Preparer(),
        "house",
        "3",
        PromotionRequest(actor="ann", force=True),
        evaluate_gates=GateEvaluator(),
    )
    set_policy(
        house,
        "house",
        ["rmse < champion", "signature compatible", "latency_ms < 1", "input_example answered"],
        actor="ann",
    )
    evaluator = GateEvaluator()

    assert rollback(house, Preparer(), "house", ANN, evaluate_gates=evaluator).view["version"] == 1
    assert evaluator.asked == [(None, ["input_example answered"])]


def test_a_rollback_uses_the_policy_at_its_commit(house):
    promote(house, Preparer(), "house", "2", ANN, evaluate_gates=GateEvaluator())
    evaluator = GateEvaluator(
        lambda: set_policy(house, "house", ["input_example answered"], actor="bob")
    )

    view = rollback(house, Preparer(), "house", ANN, evaluate_gates=evaluator).view

    assert evaluator.asked == [(None, []), (None, ["input_example answered"])]
    assert [gate["gate"] for gate in view["gates"]] == ["input_example answered"]


def test_a_rollback_whose_policy_keeps_changing_is_a_conflict(house):
    promote(house, Preparer(), "house", "2", ANN, evaluate_gates=GateEvaluator())
    policies = (["input_example answered"], [], ["input_example answered"])
    evaluator = GateEvaluator(
        *(lambda gates=gates: set_policy(house, "house", gates, actor="bob") for gates in policies)
    )

    with pytest.raises(ChampionMoved):
        rollback(house, Preparer(), "house", ANN, evaluate_gates=evaluator)

    assert live(house) == 2


def test_force_succeeds_when_gates_cannot_be_evaluated(house):
    def busy(case):
        raise ScoringBusy

    with pytest.raises(ScoringBusy):
        promote(house, Preparer(), "house", "2", ANN, evaluate_gates=busy)
    order = PromotionRequest(actor="ann", force=True, reason="the champion hangs")

    view = promote(house, Preparer(), "house", "2", order, evaluate_gates=busy).view

    assert (view["version"], view["gates"][0]["passed"]) == (2, False)
    assert "as many versions as it can" in view["gates"][0]["reason"]
