"""Gates as sentences."""

import pytest

from console.gate_words import GatesPassed, gate_sentence, gates_passed
from registry.gates import parse


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        ("r2 >= 0.6", "R² is at least 0.6."),
        ("rmse < champion", "RMSE is less than that of the live version."),
        ("mae <= champion + 5", "MAE is at most that of the live version plus 5."),
        (
            "accuracy >= champion - 0.01",
            "Accuracy is at least that of the live version minus 0.01.",
        ),
        ("rmse < 3 @ 95%", "RMSE is less than 3, for 95 % of the draws of the holdout's rows."),
        ("latency_ms <= 5", "It answers one row in 5 ms at most."),
        ("engine in trees, linear", "It is served by trees or linear."),
    ],
)
def test_a_gate_is_a_sentence(gate: str, sentence: str) -> None:
    assert gate_sentence(parse(gate)) == sentence


@pytest.mark.parametrize(
    "gate", ["signature compatible", "data compatible", "input_example answered"]
)
def test_gates_without_figures_have_one_too(gate: str) -> None:
    assert gate_sentence(parse(gate)).endswith(".")


CLAIMED = {"passed": True, "measured": "claimed"}
ON_HOLDOUT = {"passed": False, "measured": "holdout"}
WITHOUT_METRIC = {"passed": True, "measured": None}


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ([CLAIMED, WITHOUT_METRIC], "2 of 2 gates pass, on figures its uploader claims"),
        ([ON_HOLDOUT, WITHOUT_METRIC], "1 of 2 gates passes, measured on the holdout"),
        ([WITHOUT_METRIC], "1 of 1 gate passes"),
    ],
)
def test_the_results_of_gates_are_counted(results: list[dict[str, object]], words: str) -> None:
    found = gates_passed({"gates": results}, ["any"] * len(results))
    assert found == GatesPassed(words, all(result["passed"] for result in results))


def test_gates_that_were_not_evaluated_are_said_to_be_so() -> None:
    assert gates_passed(None, ["a", "b"]) == GatesPassed("2 gates, not measured yet", None)
    assert gates_passed(None, []) is None
