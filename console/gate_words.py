"""What each gate of a policy requires, and how many of them a version passes, in words."""

from collections.abc import Sequence
from typing import NamedTuple

from console.formats import metric_name, number, plural
from registry.gates.grammar import (
    DataGate,
    EngineGate,
    ExampleGate,
    Gate,
    LatencyGate,
    MetricGate,
    SignatureGate,
)
from registry.reading.views import View

_SIDES = {
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
    "==": "equals",
}
_SOURCES = {"holdout": ", measured on the holdout", "claimed": ", on figures its uploader claims"}


class GatesPassed(NamedTuple):
    """``passed``: whether all of them; None if they were not evaluated."""

    words: str
    passed: bool | None


def gates_passed(verdict: View | None, gates: Sequence[str]) -> GatesPassed | None:
    """How many of ``gates`` pass by their kept ``verdict``; None for a policy without gates."""
    if not gates:
        return None
    if verdict is None:
        return GatesPassed(f"{plural(len(gates), 'gate')}, not measured yet", None)
    results = verdict["gates"]
    count = sum(result["passed"] for result in results)
    verb = "passes" if count == 1 else "pass"
    sources = {result["measured"] for result in results}
    source = next((words for key, words in _SOURCES.items() if key in sources), "")
    words = f"{count} of {plural(len(results), 'gate')} {verb}{source}"
    return GatesPassed(words, count == len(results))


def gate_sentence(gate: Gate) -> str:
    """The condition that a version must meet to pass ``gate``."""
    match gate:
        case MetricGate():
            return _metric(gate)
        case SignatureGate():
            return "Whoever calls the live version can call the new one."
        case DataGate():
            return "Its training data has the units, types and words of the live version's."
        case ExampleGate():
            return "It has an input example, and answers it."
        case LatencyGate():
            return f"It answers one row in {number(gate.limit)} ms at most."
        case EngineGate():
            return f"It is served by {' or '.join(gate.engines)}."


def _metric(gate: MetricGate) -> str:
    name = metric_name(gate.metric)
    sentence = f"{name[0].upper()}{name[1:]} {_SIDES[gate.operator]} {_bound(gate)}"
    if gate.level is None:
        return f"{sentence}."
    return f"{sentence}, for {number(gate.level)} % of the draws of the holdout's rows."


def _bound(gate: MetricGate) -> str:
    bound = gate.bound
    if not bound.needs_champion:
        return number(bound.shift)
    champion = "that of the live version"
    if bound.shift:
        return f"{champion} {'plus' if bound.shift > 0 else 'minus'} {number(abs(bound.shift))}"
    return champion if bound.scale == 1 else f"{number(bound.scale)} times {champion}"
