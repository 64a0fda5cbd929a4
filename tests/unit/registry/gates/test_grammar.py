"""The language of gates: what is understood, and what a fault says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import GateMalformed
from registry.gates import parse, parse_all
from registry.gates.grammar import (
    Bound,
    DataGate,
    EngineGate,
    ExampleGate,
    LatencyGate,
    MetricGate,
    SignatureGate,
)


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("r2 >= 0.6", MetricGate("r2 >= 0.6", "r2", ">=", Bound(0.6))),
        ("r2>=-.5", MetricGate("r2>=-.5", "r2", ">=", Bound(-0.5))),
        (
            "rmse < champion",
            MetricGate("rmse < champion", "rmse", "<", Bound(0.0, 1.0, needs_champion=True)),
        ),
        (
            "rmse <= champion * 1.02",
            MetricGate(
                "rmse <= champion * 1.02", "rmse", "<=", Bound(0.0, 1.02, needs_champion=True)
            ),
        ),
        (
            "f1_macro > champion - 1e-3",
            MetricGate(
                "f1_macro > champion - 1e-3",
                *("f1_macro", ">", Bound(-0.001, 1.0, needs_champion=True)),
            ),
        ),
        (
            "mae < champion + 3 @ 90%",
            MetricGate(
                "mae < champion + 3 @ 90%",
                *("mae", "<", Bound(3.0, 1.0, needs_champion=True), 90.0),
            ),
        ),
        (
            "  accuracy \t== 1 ",
            MetricGate("accuracy == 1", "accuracy", "==", Bound(1.0)),
        ),
        ("signature compatible", SignatureGate("signature compatible")),
        ("data compatible", DataGate("data compatible")),
        ("input_example answered", ExampleGate("input_example answered")),
        ("latency_ms <= 5", LatencyGate("latency_ms <= 5", "<=", 5.0)),
        (
            "engine in trees, scikit-learn",
            EngineGate("engine in trees, scikit-learn", ("trees", "scikit-learn")),
        ),
    ],
)
def test_a_gate_is_parsed(text, gate):
    assert parse(text) == gate


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("", 1, "it is empty"),
        ("rmse", 5, "expected one of < <= > >= =="),
        ("rmse =< 3", 6, "'=' is not expected here"),
        ("mape < 3", 1, "there is no metric 'mape'; there are rmse, mae"),
        ("rmse < champ", 8, "expected 'champion', not 'champ'"),
        ("rmse < champion *", 18, "expected a number after '*'"),
        ("rmse < champion ** 2", 18, "not '*'"),
        ("rmse < champion * -1", 19, "not '-'"),
        ("rmse < 3 4", 10, "'4' is not expected here"),
        ("rmse < 1e999", 8, "out of range"),
        ("rmse < champion @ 95", 21, "expected '%'"),
        ("rmse < champion @ 100%", 19, "50% to 99%"),
        ("rmse < champion @ 0%", 19, "50% to 99%"),
        ("rmse == champion @ 95%", 1, "has no confidence level"),
        ("signature changed", 11, "expected 'compatible'"),
        ("latency_ms >= 5", 12, "'<' or '<='"),
        ("engine in", 10, "expected an engine"),
        ("engine in gpu", 11, "there is no engine 'gpu', only trees"),
        ("engine in trees,", 17, "expected an engine"),
        ("rmse < \N{ARABIC-INDIC DIGIT THREE}", 8, "is not expected here"),
        ("rmse < 3; drop", 9, "';' is not expected here"),
        ("x" * 201, 201, "longer than 200"),
    ],
)
def test_a_parse_error_names_the_position_and_the_cause(text, place, says):
    with pytest.raises(GateMalformed) as raised:
        parse(text)

    (fault,) = raised.value.faults
    assert f"at character {place}: " in fault.message
    assert says in fault.message


def test_every_invalid_gate_of_a_list_is_reported():
    with pytest.raises(GateMalformed) as raised:
        parse_all(["r2 > 0", "rmse", "signature compatible", "r2 >  0", "foo"], at="recipe.gates")

    assert [fault.at for fault in raised.value.faults] == [
        "recipe.gates[1]",
        "recipe.gates[3]",
        "recipe.gates[4]",
    ]


def test_the_number_of_gates_is_limited():
    with pytest.raises(GateMalformed, match="33 gates, at most 32"):
        parse_all([f"r2 > 0.{number}" for number in range(33)])


@given(st.text())
def test_any_text_is_a_gate_or_is_refused(text):
    try:
        gate = parse(text)
    except GateMalformed:
        return
    assert parse(gate.text) == gate
