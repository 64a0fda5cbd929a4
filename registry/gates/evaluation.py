"""From figures to what becomes of each gate."""

from collections.abc import Callable
from dataclasses import dataclass

from registry.codecs.batch import Batch
from registry.engines.predictor import Predictor, example_batch
from registry.gates.compatibility import incompatibilities
from registry.gates.grammar import (
    OPERATORS,
    EngineGate,
    ExampleGate,
    Gate,
    LatencyGate,
    MetricGate,
    SignatureGate,
)
from registry.gates.inputs import GateInputs
from registry.gates.latency import median_ms
from registry.gates.measurements import UNMEASURABLE, USUAL_LEVEL, Draws, Measurement
from registry.gates.results import GateResult
from registry.metrics.bootstrap import interval

_NO_CHAMPION = "there is no champion to compare with"
_SHOWN = 10
_SIDES: dict[str, Callable[[tuple[float, float]], bool]] = {
    "<": lambda of: of[1] < 0,
    "<=": lambda of: of[1] <= 0,
    ">": lambda of: of[0] > 0,
    ">=": lambda of: of[0] >= 0,
}
"""Whether an interval of a difference lies wholly where the operator wants it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What gates are held against; ``predictor`` loads the candidate if need be."""

    inputs: GateInputs
    candidate: Measurement
    champion: Measurement | None
    draws: Draws | None
    predictor: Callable[[], Predictor]


def evaluate_gate(gate: Gate, evidence: Evidence) -> GateResult:
    """What becomes of ``gate``. Raises ModelProcessUnavailable, VersionLoading."""
    match gate:
        case MetricGate():
            return _of_metric(gate, evidence)
        case SignatureGate():
            return _of_signature(gate, evidence.inputs)
        case EngineGate():
            return _of_engine(gate, evidence.inputs)
        case ExampleGate():
            return _of_example(gate, evidence)
        case LatencyGate():
            return _of_latency(gate, evidence)


def _of_metric(gate: MetricGate, evidence: Evidence) -> GateResult:
    own, other, holdout = evidence.candidate, evidence.champion, evidence.inputs.holdout
    figure = own.metrics.get(gate.metric)
    against = None if other is None else other.metrics.get(gate.metric)
    spread = None
    if gate.bound.needs_champion and other is None:
        passed, reason = True, _NO_CHAMPION
    elif figure is None:
        passed, reason = False, own.why_not(gate.metric)
    elif gate.bound.needs_champion and other is not None and against is None:
        passed, reason = False, other.why_not(gate.metric)
    else:
        spread = _spread(gate, evidence.draws)
        bound = gate.bound.shift + gate.bound.scale * (against or 0.0)
        passed, reason = (
            _held(gate, figure, bound)
            if gate.level is None
            else _held_surely(gate, gate.level, spread, drawn=evidence.draws is not None)
        )
    return GateResult(
        gate=gate.text,
        passed=passed,
        candidate=figure,
        champion=against if gate.bound.needs_champion else None,
        reason=None if passed and reason != _NO_CHAMPION else reason,
        interval=spread,
        measured=own.measured_on,
        holdout=holdout.sha256 if holdout is not None and own.measured_on == "holdout" else None,
    )


def _held(gate: MetricGate, figure: float, bound: float) -> tuple[bool, str]:
    """Whether the bare figures hold, and what to say where they do not."""
    passed = OPERATORS[gate.operator](figure, bound)
    return passed, f"{figure:.6g} is not {gate.operator} {bound:.6g}"


def _held_surely(
    gate: MetricGate, level: float, spread: tuple[float, float] | None, *, drawn: bool
) -> tuple[bool, str]:
    """The same by more than noise; ``drawn``: there was a holdout to draw from."""
    if not drawn:
        return False, "there is no holdout whose rows could be drawn anew"
    if spread is None:
        return False, f"{gate.metric} has no interval on so few rows, or so many rows and classes"
    low, high = spread
    said = f"it may be noise: {level:g}% of the draws differ by {low:.6g} to {high:.6g}"
    return _SIDES[gate.operator](spread), said


def _spread(gate: MetricGate, draws: Draws | None) -> tuple[float, float] | None:
    """The interval of the candidate's figure less what it is held against."""
    if draws is None or gate.metric not in draws.candidate:
        return None
    less = draws.candidate[gate.metric] - gate.bound.shift
    if gate.bound.needs_champion:
        if gate.metric not in draws.champion:
            return None
        less = less - gate.bound.scale * draws.champion[gate.metric]
    elif gate.level is None:
        return None
    return interval(less, gate.level or USUAL_LEVEL)


def _of_signature(gate: SignatureGate, inputs: GateInputs) -> GateResult:
    if inputs.champion is None:
        return GateResult(gate=gate.text, passed=True, reason=_NO_CHAMPION)
    found = list(
        incompatibilities(inputs.candidate.version.signature, inputs.champion.version.signature)
    )
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    reason = "; ".join(found[:_SHOWN]) + more
    return GateResult(gate=gate.text, passed=not found, reason=reason or None)


def _of_engine(gate: EngineGate, inputs: GateInputs) -> GateResult:
    engine = inputs.candidate.engine
    passed = engine in gate.engines
    reason = None if passed else f"it is served by {engine}"
    return GateResult(gate=gate.text, passed=passed, reason=reason)


def _of_example(gate: ExampleGate, evidence: Evidence) -> GateResult:
    if evidence.inputs.candidate.version.input_example is None:
        return GateResult(gate=gate.text, passed=False, reason="the version has no input example")
    try:
        evidence.predictor().predict(_example(evidence))
    except UNMEASURABLE as error:
        return GateResult(gate=gate.text, passed=False, reason=error.detail)
    return GateResult(gate=gate.text, passed=True)


def _of_latency(gate: LatencyGate, evidence: Evidence) -> GateResult:
    try:
        taken = median_ms(evidence.predictor(), _example(evidence))
    except UNMEASURABLE as error:
        return GateResult(gate=gate.text, passed=False, reason=error.detail)
    passed = OPERATORS[gate.operator](taken, gate.limit)
    reason = None if passed else f"{taken:.3g} ms is not {gate.operator} {gate.limit:g} ms"
    return GateResult(gate=gate.text, passed=passed, candidate=taken, reason=reason)


def _example(evidence: Evidence) -> Batch:
    version = evidence.inputs.candidate.version
    return example_batch(version.signature, version.input_example)
