"""Hold a version against the gates without promoting it."""

from collections.abc import Callable
from typing import Any

from registry.errors import VersionNotReady
from registry.gates.evaluator import GateReport
from registry.gates.grammar import Gate
from registry.gates.inputs import GateInputs
from registry.gates.measurements import Measurement
from registry.gates.results import all_passed
from registry.names import PRODUCTION, check_alias
from registry.operations.gate_inputs import read_gate_inputs
from registry.reading.queries import View, find_version
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
    """What becomes of the gates that a promotion under ``alias`` asks for, with every figure.

    The version that the alias points at is held against itself, where its promotion would ask for
    nothing. Nothing is changed, and nothing is noted.

    Raises AliasMalformed, ModelNotFound, VersionNotFound, VersionNotReady, GateRefused, and the
    Unavailable errors.
    """
    check_alias(alias)
    with database.read() as session:
        version = find_version(session, model, reference)
        if version.status != "ready":
            raise VersionNotReady(model, version.number, version.status)
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
    }
