"""Gates as sentences."""

import pytest

from console.gate_words import gate_sentence
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
