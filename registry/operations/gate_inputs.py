"""Reads what the gates of a version are evaluated with."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.gates.grammar import DataGate, Gate, parse_all
from registry.gates.holdouts import Holdout, parse_format
from registry.gates.inputs import Candidate, GateInputs
from registry.gates.policies import check_task, merged
from registry.live.snapshot import served_version
from registry.reading.queries import current_holdout
from registry.storage.tables import WITHOUT_RELATED, AliasRow, HoldoutRow, PolicyRow, VersionRow


def read_gate_inputs(
    session: Session, version: VersionRow, alias: str, more: Sequence[Gate] = ()
) -> GateInputs:
    """The gates of the policy and ``more``, with ``version`` and the version at ``alias``.

    Raises GateRefused where ``more`` requires a metric that the version's task does not have.
    """
    check_task(more, served_version(version).signature.task)
    champion = session.scalar(
        select(VersionRow)
        .join(
            AliasRow,
            (AliasRow.model == VersionRow.model) & (AliasRow.number == VersionRow.number),
        )
        .where(AliasRow.model == version.model, AliasRow.name == alias)
        .options(*WITHOUT_RELATED)
    )
    policy = session.get(PolicyRow, version.model, populate_existing=True)
    holdout = current_holdout(session, version.model)
    gates = merged(() if policy is None else parse_all(policy.gates), more)
    profiled = any(isinstance(gate, DataGate) for gate in gates)
    return GateInputs(
        candidate=_candidate(version, profiled=profiled),
        champion=None if champion is None else _candidate(champion, profiled=profiled),
        holdout=None if holdout is None else _holdout(holdout),
        gates=gates,
    )


def _holdout(row: HoldoutRow) -> Holdout:
    return Holdout(row.sha256, parse_format(row.format), row.target, row.table_rows)


def _candidate(row: VersionRow, *, profiled: bool) -> Candidate:
    claimed = {metric.name: metric.value for metric in row.metrics}
    engine = str(row.engine.get("name"))
    # The evaluation has up to 4 MiB.
    profile = row.evaluation.get("profile") if profiled else None
    return Candidate(served_version(row), claimed, engine, row.training_rows_sha256, profile)
