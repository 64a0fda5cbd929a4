"""Evaluate the gates of a version without promoting it."""

from collections.abc import Callable
from typing import Any

from registry.gates.evaluator import GateReport
from registry.gates.grammar import Gate
from registry.gates.inputs import GateInputs
from registry.gates.measurements import Measurement
from registry.gates.results import all_passed
from registry.names import PRODUCTION, check_alias
from registry.operations.gate_inputs import read_gate_inputs
from registry.reading.queries import find_ready_version
from registry.reading.views import View
from registry.storage.database import Database

Assess = Callable[[GateInputs], GateReport]
"""Measures both versions and evaluates the gates."""


def evaluate(
    database: Database,
    assess: Assess,
    model: str,
    reference: str,
    *,
    alias: str = PRODUCTION,
    gates: tuple[Gate, ...] = (),
) -> View:
    """The results of the gates that a promotion under ``alias`` requires, with every metric.

    The version that the alias points at is compared with itself, although its promotion would
    require no gates. Nothing is changed or recorded.

    Raises AliasMalformed, ModelNotFound, VersionNotFound, VersionNotReady, GateRefused, and the
    Unavailable errors.
    """
    check_alias(alias)
    with database.read() as session:
        version = find_ready_version(session, model, reference)
        inputs = read_gate_inputs(session, version, alias, gates)
    report = assess(inputs)
    return {
        "model": model,
        "alias": alias,
        "passed": all_passed(report.results),
        "candidate": _measured(report.candidate),
        "champion": None if report.champion is None else _measured(report.champion),
        "differences": {
            metric: {
                "value": difference.value,
                "interval": None if difference.interval is None else list(difference.interval),
            }
            for metric, difference in report.differences.items()
        },
        "holdout": None
        if inputs.holdout is None
        else {
            "sha256": inputs.holdout.sha256,
            "rows": inputs.holdout.rows,
            "target": inputs.holdout.target,
        },
        "gates": [result.to_json() for result in report.results],
    }


def _measured(found: Measurement) -> dict[str, Any]:
    return {
        "version": found.version,
        "metrics": found.metrics,
        "measured_on": found.measured_on,
        "reason": found.reason,
        "rows_trained_on": found.rows_trained_on,
    }
