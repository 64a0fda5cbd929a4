"""Evaluate the gates of a version without promoting it."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from registry.errors import StorageFull, Unavailable
from registry.gates.evaluator import GateReport
from registry.gates.grammar import Gate
from registry.gates.inputs import GateInputs
from registry.gates.measurements import Measurement
from registry.gates.results import all_passed
from registry.names import PRODUCTION, check_alias
from registry.operations.gate_inputs import read_gate_inputs
from registry.operations.rows import locked_model
from registry.reading.queries import find_ready_version
from registry.reading.views import View
from registry.storage.database import Database
from registry.storage.tables import VerdictRow

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
    require no gates. No alias is moved and nothing is recorded in the history; the outcome is kept
    for ``kept_verdict``, unless there are more gates than the policy's.

    Raises AliasMalformed, ModelNotFound, VersionNotFound, VersionNotReady, GateRefused, and the
    Unavailable errors.
    """
    check_alias(alias)
    with database.read() as session:
        version = find_ready_version(session, model, reference)
        inputs = read_gate_inputs(session, version, alias, gates)
    report = assess(inputs)
    view = _view(model, alias, inputs, report)
    if not gates:
        # What cannot be kept is an answer all the same.
        with suppress(Unavailable, StorageFull):
            _keep(database, inputs, view)
    return view


def _keep(database: Database, inputs: GateInputs, view: View) -> None:
    """Store the outcome in place of the last one."""
    version = inputs.candidate.version
    kept = VerdictRow(
        model=version.model,
        number=version.number,
        alias=view["alias"],
        champion=None if inputs.champion is None else inputs.champion.version.number,
        gates=[gate.text for gate in inputs.gates],
        holdout=None if inputs.holdout is None else inputs.holdout.sha256,
        outcome=view,
    )
    with database.write(announce=False) as session:
        locked_model(session, version.model)  # two first outcomes would insert the same row
        session.merge(kept)


def _view(model: str, alias: str, inputs: GateInputs, report: GateReport) -> View:
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
