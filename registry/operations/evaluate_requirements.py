"""Evaluate what a rollout requires at the end of a step."""

from dataclasses import replace

from registry.errors import Unavailable
from registry.operations.gate_inputs import read_gate_inputs
from registry.operations.promote import EvaluateGates
from registry.reading.queries import find_ready_version
from registry.rollouts.progress import Required
from registry.storage.database import Database
from registry.storage.rollout_tables import RolloutRow
from registry.watching.rollouts import plan_of


def evaluate_requirements(
    database: Database, row: RolloutRow, evaluate_gates: EvaluateGates
) -> Required:
    """Whether the version of the rollout passes the gates that its plan requires.

    Raises VersionNotReady, GateRefused, DatabaseBusy, DatabaseUnavailable.
    """
    with database.read() as session:
        version = find_ready_version(session, row.model, str(row.version))
        required = plan_of(row).require
        inputs = replace(read_gate_inputs(session, version, row.alias, required), gates=required)
    try:
        results = evaluate_gates(inputs)
    except Unavailable as error:
        return Required("undecided", error.detail)
    for result in results:
        if not result.passed:
            why = f" ({result.reason})" if result.reason else ""
            return Required("failed", f"the requirement '{result.gate}' failed{why}")
    return Required("passed")
