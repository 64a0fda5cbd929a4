"""Reads what the gates of a version are evaluated with."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.gates.grammar import DataGate, EngineGate, ExampleGate, Gate, parse_all
from registry.gates.holdouts import Holdout, parse_format
from registry.gates.inputs import Candidate, GateInputs
from registry.gates.policies import check_task, merged
from registry.live.snapshot import served_version
from registry.reading.queries import current_holdout
from registry.storage.tables import WITHOUT_RELATED, AliasRow, HoldoutRow, PolicyRow, VersionRow

_CHAMPION = (
    select(VersionRow)
    .join(AliasRow, (AliasRow.model == VersionRow.model) & (AliasRow.number == VersionRow.number))
    .where(AliasRow.model == bindparam("model"), AliasRow.name == bindparam("alias"))
    .options(*WITHOUT_RELATED)
)


def read_gate_inputs(
    session: Session, version: VersionRow, alias: str, more: Sequence[Gate] = ()
) -> GateInputs:
    """The gates of the policy and ``more``, with ``version`` and the version at ``alias``.

    Raises GateRefused where ``more`` requires a metric that the version's task does not have.
    """
    return _inputs(session, version, alias, _gates(session, version, more))


def read_promotion_inputs(
    session: Session, version: VersionRow, alias: str, more: Sequence[Gate]
) -> GateInputs:
    """As ``read_gate_inputs``, but only what a promotion depends on. A version that the alias
    points at already has no gates to pass, and without gates neither the champion nor metrics
    matter.

    Raises GateRefused.
    """
    if gates := _gates(session, version, more):
        inputs = _inputs(session, version, alias, gates)
        if inputs.champion is None or inputs.champion.version.number != version.number:
            return inputs
    return _alone(version, ())


def read_rollback_inputs(session: Session, version: VersionRow) -> GateInputs:
    """Those gates of the policy that say whether ``version`` can serve at all; they depend on
    nothing else."""
    gates = _gates(session, version, ())
    return _alone(version, [one for one in gates if isinstance(one, ExampleGate | EngineGate)])


def _gates(session: Session, version: VersionRow, more: Sequence[Gate]) -> tuple[Gate, ...]:
    """The gates of the policy and ``more``. Raises GateRefused."""
    check_task(more, served_version(version).signature.task)
    policy = session.get(PolicyRow, version.model, populate_existing=True)
    return merged(() if policy is None else parse_all(policy.gates), more)


def _inputs(
    session: Session, version: VersionRow, alias: str, gates: tuple[Gate, ...]
) -> GateInputs:
    """What ``gates`` are evaluated with."""
    champion = session.scalar(_CHAMPION, {"model": version.model, "alias": alias})
    holdout = current_holdout(session, version.model)
    profiled = any(isinstance(gate, DataGate) for gate in gates)
    return GateInputs(
        candidate=_measured(version, profiled=profiled),
        champion=None if champion is None else _measured(champion, profiled=profiled),
        holdout=None if holdout is None else _holdout(holdout),
        gates=gates,
    )


def _alone(version: VersionRow, gates: Sequence[Gate]) -> GateInputs:
    """What gates are evaluated with that look at no metric and no other version."""
    return GateInputs(_candidate(version, claimed={}), None, None, tuple(gates))


def _holdout(row: HoldoutRow) -> Holdout:
    return Holdout(row.sha256, parse_format(row.format), row.target, row.table_rows)


def _measured(row: VersionRow, *, profiled: bool) -> Candidate:
    """The version with the metrics that are claimed for it and, if ``profiled``, its profile."""
    claimed = {metric.name: metric.value for metric in row.metrics}
    # The evaluation has up to 4 MiB.
    return _candidate(row, claimed, row.evaluation.get("profile") if profiled else None)


def _candidate(
    row: VersionRow, claimed: Mapping[str, float], profile: Mapping[str, Any] | None = None
) -> Candidate:
    engine = str(row.engine.get("name"))
    return Candidate(served_version(row), claimed, engine, row.training_rows_sha256, profile)
