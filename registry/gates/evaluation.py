"""Evaluates a gate with the measurements of the candidate and the champion."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hotswap.metrics.bootstrap import interval
from registry.codecs.batch import Batch
from registry.engines.predictor import Predictor, example_batch
from registry.gates.compatibility import incompatibilities
from registry.gates.data_compatibility import Described, changes
from registry.gates.grammar import (
    OPERATORS,
    DataGate,
    EngineGate,
    ExampleGate,
    Gate,
    LatencyGate,
    MetricGate,
    SignatureGate,
)
from registry.gates.inputs import GateInputs
from registry.gates.latency import median_ms
from registry.gates.measurements import (
    DEFAULT_LEVEL,
    MEASUREMENT_ERRORS,
    BootstrapFigures,
    Measurement,
)
from registry.gates.overlap import Overlap
from registry.gates.results import GateResult

_NO_CHAMPION = "there is no champion to compare with"
_SHOWN = 10
_INTERVAL_OPERATORS: dict[str, Callable[[tuple[float, float]], bool]] = {
    "<": lambda of: of[1] < 0,
    "<=": lambda of: of[1] <= 0,
    ">": lambda of: of[0] > 0,
    ">=": lambda of: of[0] >= 0,
}
"""Whether the whole interval of a difference satisfies the operator."""


@dataclass(frozen=True, slots=True)
class GateContext:
    """What a gate is evaluated with; ``predictor`` loads the candidate if necessary."""

    inputs: GateInputs
    candidate: Measurement
    champion: Measurement | None
    figures: BootstrapFigures | None
    predictor: Callable[[], Predictor]


def evaluate_gate(gate: Gate, context: GateContext) -> GateResult:
    """The result of ``gate``. Raises ModelProcessUnavailable, VersionLoading."""
    match gate:
        case MetricGate():
            return _evaluate_metric(gate, context)
        case SignatureGate():
            return _evaluate_signature(gate, context.inputs)
        case DataGate():
            return _evaluate_data(gate, context.inputs)
        case EngineGate():
            return _evaluate_engine(gate, context.inputs)
        case ExampleGate():
            return _evaluate_example(gate, context)
        case LatencyGate():
            return _evaluate_latency(gate, context)


def _evaluate_metric(gate: MetricGate, context: GateContext) -> GateResult:
    candidate, champion, holdout = context.candidate, context.champion, context.inputs.holdout
    own = candidate.metrics.get(gate.metric)
    other = None if champion is None else champion.metrics.get(gate.metric)
    spread = None
    if gate.bound.needs_champion and champion is None:
        passed, reason = True, _NO_CHAMPION
    elif own is None:
        passed, reason = False, candidate.why_missing(gate.metric)
    elif candidate.overlap is not None and candidate.overlap.known > candidate.overlap.by_chance:
        passed, reason = False, _trained_on(candidate.overlap)
    elif gate.bound.needs_champion and champion is not None and other is None:
        passed, reason = False, champion.why_missing(gate.metric)
    else:
        spread = _interval(gate, context.figures)
        bound = gate.bound.shift + gate.bound.scale * (other or 0.0)
        passed, reason = (
            _compare(gate, own, bound)
            if gate.level is None
            else _compare_interval(gate, gate.level, spread, drawn=context.figures is not None)
        )
    measured = candidate.measured_on
    return GateResult(
        gate=gate.text,
        passed=passed,
        candidate=own,
        champion=other if gate.bound.needs_champion else None,
        reason=None if passed and reason != _NO_CHAMPION else reason,
        interval=spread,
        measured=measured,
        holdout=holdout.sha256 if holdout is not None and measured == "holdout" else None,
    )


def _trained_on(overlap: Overlap) -> str:
    return (
        f"the version was trained on {overlap.described} (at most {overlap.by_chance:,} are "
        "expected to repeat by chance): cut off a holdout before training, with 'hotswap holdout "
        "--split'"
    )


def _compare(gate: MetricGate, own: float, bound: float) -> tuple[bool, str]:
    """Whether the metric satisfies the gate, and the reason where it does not."""
    passed = OPERATORS[gate.operator](own, bound)
    return passed, f"{own:.6g} is not {gate.operator} {bound:.6g}"


def _compare_interval(
    gate: MetricGate, level: float, spread: tuple[float, float] | None, *, drawn: bool
) -> tuple[bool, str]:
    """As ``_compare``, for the interval; ``drawn``: there was a holdout to draw rows from."""
    if not drawn:
        return False, "there is no holdout whose rows could be drawn"
    if spread is None:
        return False, f"{gate.metric} has no interval on so few rows, or so many rows and classes"
    low, high = spread
    reason = f"it may be noise: {level:g}% of the draws differ by {low:.6g} to {high:.6g}"
    return _INTERVAL_OPERATORS[gate.operator](spread), reason


def _interval(gate: MetricGate, figures: BootstrapFigures | None) -> tuple[float, float] | None:
    """The interval of the candidate's metric minus the bound."""
    if figures is None or gate.metric not in figures.candidate:
        return None
    difference = figures.candidate[gate.metric] - gate.bound.shift
    if gate.bound.needs_champion:
        if gate.metric not in figures.champion:
            return None
        difference = difference - gate.bound.scale * figures.champion[gate.metric]
    elif gate.level is None:
        return None
    return interval(difference, gate.level or DEFAULT_LEVEL)


def _evaluate_signature(gate: SignatureGate, inputs: GateInputs) -> GateResult:
    if inputs.champion is None:
        return GateResult(gate=gate.text, passed=True, reason=_NO_CHAMPION)
    return _without(
        gate,
        incompatibilities(inputs.candidate.version.signature, inputs.champion.version.signature),
    )


def _evaluate_data(gate: DataGate, inputs: GateInputs) -> GateResult:
    if inputs.champion is None:
        return GateResult(gate=gate.text, passed=True, reason=_NO_CHAMPION)
    described = []
    for one in (inputs.candidate, inputs.champion):
        if one.profile is None:
            reason = f"version {one.version.number} has no profile of its data"
            return GateResult(gate=gate.text, passed=False, reason=reason)
        described.append(Described(one.version.signature, one.profile))
    return _without(gate, changes(*described))


def _without(gate: Gate, faults: Iterable[str]) -> GateResult:
    """The result of a gate that passes without ``faults``."""
    found = list(faults)
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    reason = "; ".join(found[:_SHOWN]) + more
    return GateResult(gate=gate.text, passed=not found, reason=reason or None)


def _evaluate_engine(gate: EngineGate, inputs: GateInputs) -> GateResult:
    engine = inputs.candidate.engine
    passed = engine in gate.engines
    reason = None if passed else f"it is served by {engine}"
    return GateResult(gate=gate.text, passed=passed, reason=reason)


def _evaluate_example(gate: ExampleGate, context: GateContext) -> GateResult:
    if context.inputs.candidate.version.input_example is None:
        return GateResult(gate=gate.text, passed=False, reason="the version has no input example")
    try:
        context.predictor().predict(_example(context))
    except MEASUREMENT_ERRORS as error:
        return GateResult(gate=gate.text, passed=False, reason=error.detail)
    return GateResult(gate=gate.text, passed=True)


def _evaluate_latency(gate: LatencyGate, context: GateContext) -> GateResult:
    try:
        taken = median_ms(context.predictor(), _example(context))
    except MEASUREMENT_ERRORS as error:
        return GateResult(gate=gate.text, passed=False, reason=error.detail)
    passed = OPERATORS[gate.operator](taken, gate.limit)
    reason = None if passed else f"{taken:.3g} ms is not {gate.operator} {gate.limit:g} ms"
    return GateResult(gate=gate.text, passed=passed, candidate=taken, reason=reason)


def _example(context: GateContext) -> Batch:
    version = context.inputs.candidate.version
    return example_batch(version.signature, version.input_example)
