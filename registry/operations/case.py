"""Reads what a version is to be judged by."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.gates.grammar import Gate, parse_all
from registry.queries import current_holdout
from registry.scoring.cases import Case, Contender
from registry.scoring.holdouts import Holdout, parse_format
from registry.scoring.policies import check_task, merged
from registry.serving.snapshot import served_version
from registry.tables import AliasRow, HoldoutRow, PolicyRow, VersionRow


def read_case(
    session: Session, candidate: VersionRow, alias: str, more: Sequence[Gate] = ()
) -> Case:
    """The case of ``candidate`` against what ``alias`` points at, by the policy and ``more``.

    Raises GateRefused where ``more`` asks for a metric that the candidate's task has not.
    """
    contender = _contender(candidate)
    check_task(more, contender.version.signature.task)
    champion = session.scalar(
        select(VersionRow)
        .join(
            AliasRow,
            (AliasRow.model == VersionRow.model) & (AliasRow.number == VersionRow.number),
        )
        .where(AliasRow.model == candidate.model, AliasRow.name == alias)
    )
    policy = session.get(PolicyRow, candidate.model, populate_existing=True)
    holdout = current_holdout(session, candidate.model)
    return Case(
        candidate=contender,
        champion=None if champion is None else _contender(champion),
        holdout=None if holdout is None else _table(holdout),
        gates=merged(() if policy is None else parse_all(policy.gates), more),
    )


def _table(row: HoldoutRow) -> Holdout:
    return Holdout(row.sha256, parse_format(row.format), row.target, row.table_rows)


def _contender(row: VersionRow) -> Contender:
    claimed = {metric.name: metric.value for metric in row.metrics}
    return Contender(served_version(row), claimed, str(row.engine.get("name")))
