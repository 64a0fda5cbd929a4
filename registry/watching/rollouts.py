"""Reads rollouts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.errors import RolloutNotFound
from registry.names import check_alias
from registry.reading.queries import find_model
from registry.reading.views import View, timestamp
from registry.rollouts.decide import decide, figures
from registry.rollouts.observed import Observed, Sources, sources_from_json
from registry.rollouts.plan import Plan, stored_plan
from registry.rollouts.progress import Progress, parse_state
from registry.storage.rollout_tables import RolloutCountsRow, RolloutRow

UNWATCHED_AFTER = timedelta(seconds=60)
"""Without a look at the counts for this long, a rollout has nobody who watches it."""


def find_rollout(session: Session, model: str, alias: str) -> RolloutRow:
    """The rollout in progress under ``alias``, or else the last one.

    Raises AliasMalformed, ModelNotFound, RolloutNotFound.
    """
    find_model(session, model)
    row = session.scalar(
        select(RolloutRow)
        .where(RolloutRow.model == model, RolloutRow.alias == check_alias(alias))
        .order_by(RolloutRow.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise RolloutNotFound(model, alias)
    return row


_ACTIVE = (
    select(RolloutRow)
    .where(
        RolloutRow.model == bindparam("model"),
        RolloutRow.alias == bindparam("alias"),
        RolloutRow.ended_at.is_(None),
    )
    .execution_options(populate_existing=True)
)


def active_rollout(session: Session, model: str, alias: str) -> RolloutRow | None:
    """The rollout in progress under ``alias``."""
    return session.scalar(_ACTIVE, {"model": model, "alias": alias})


def active_rollouts(session: Session) -> Sequence[RolloutRow]:
    """All rollouts in progress, the oldest first."""
    query = select(RolloutRow).where(RolloutRow.ended_at.is_(None)).order_by(RolloutRow.id)
    return session.scalars(query).all()


class StoredCounts(NamedTuple):
    """The totals of servers, and their ``first`` ones where it is known what they were when the
    rollout began."""

    totals: Sources
    first: Sources


def stored_counts(session: Session, rollout: int) -> StoredCounts:
    """What the keepers of other hosts have stored of the counts of their servers."""
    query = select(RolloutCountsRow).where(RolloutCountsRow.rollout == rollout)
    rows = session.scalars(query).all()
    return StoredCounts(
        sources_from_json({row.server: row.totals for row in rows}),
        sources_from_json({row.server: row.first for row in rows if row.first is not None}),
    )


def plan_of(row: RolloutRow) -> Plan:
    """Its plan."""
    return stored_plan(row.plan)


def progress_of(row: RolloutRow) -> Progress:
    """Where it is."""
    return Progress(
        version=row.version,
        champion=row.champion,
        state=parse_state(row.state),
        step=row.step,
        step_began_at=row.step_began_at,
        deadline_at=row.deadline_at,
        blocked=row.blocked,
    )


def observed_of(row: RolloutRow) -> Observed:
    """What was counted in it."""
    return Observed.from_json(row.evidence)


def is_watched(row: RolloutRow, now: datetime) -> bool:
    """Whether somebody looks at its counts; also where it has ended, and nobody has to."""
    return row.ended_at is not None or now - row.evidence_at <= UNWATCHED_AFTER


def rollout_view(row: RolloutRow, now: datetime) -> View:
    """``step`` counts from 1; ``requests`` are those in this step."""
    plan, observed = plan_of(row), observed_of(row)
    return {
        "id": row.id,
        "model": row.model,
        "alias": row.alias,
        "version": row.version,
        "champion": row.champion,
        "state": row.state,
        "reason": _reason(row, plan, observed, now),
        "step": row.step + 1,
        "step_began_at": timestamp(row.step_began_at),
        "requests": {
            "canary": observed.step.canary.requests,
            "champion": observed.step.champion.requests,
        },
        "guards": figures(plan, observed),
        "plan": row.plan,
        "revision": row.revision,
        "watched": is_watched(row, now),
        "forced": row.forced,
        "deadline_at": timestamp(row.deadline_at),
        "created_at": timestamp(row.created_at),
        "created_by": row.created_by,
        "ended_at": row.ended_at and timestamp(row.ended_at),
        "cooldown_until": row.cooldown_until and timestamp(row.cooldown_until),
    }


def _reason(row: RolloutRow, plan: Plan, observed: Observed, now: datetime) -> str:
    """Why it is in this state: at present where that depends on the counts."""
    changes = row.state in {"running", "baking"} or (row.state == "held" and not row.blocked)
    return decide(plan, progress_of(row), observed, now).reason if changes else row.reason
