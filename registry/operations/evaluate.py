"""Hold a version against the gates without promoting it."""

from collections.abc import Callable
from typing import Any

from registry.database import Database
from registry.errors import VersionNotReady
from registry.gates.grammar import Gate
from registry.gates.outcomes import all_passed
from registry.names import PRODUCTION, check_alias
from registry.operations.case import read_case
from registry.queries import View, find_version
from registry.scoring.cases import Case
from registry.scoring.judge import Verdict
from registry.scoring.measurements import Measurement

Assess = Callable[[Case], Verdict]
"""Measures a case and says what becomes of its gates."""


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
        case = read_case(session, version, alias, gates)
    verdict = assess(case)
    return {
        "model": model,
        "alias": alias,
        "passed": all_passed(verdict.outcomes),
        "candidate": _measured(verdict.candidate),
        "champion": None if verdict.champion is None else _measured(verdict.champion),
        "differences": {
            metric: {
                "value": difference.value,
                "interval": None if difference.interval is None else list(difference.interval),
            }
            for metric, difference in verdict.differences.items()
        },
        "holdout": None
        if case.holdout is None
        else {
            "sha256": case.holdout.sha256,
            "rows": case.holdout.rows,
            "target": case.holdout.target,
        },
        "gates": [outcome.to_json() for outcome in verdict.outcomes],
    }


def _measured(found: Measurement) -> dict[str, Any]:
    return {
        "version": found.version,
        "metrics": found.metrics,
        "measured_on": found.measured_on,
        "reason": found.reason,
    }
