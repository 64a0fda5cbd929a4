"""What is kept of rollouts and alerts, and what must hold of them."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.storage.alert_tables import AlertRow
from registry.storage.rollout_tables import RolloutRow
from registry.storage.split_tables import AliasArmRow
from registry.storage.tables import AliasRow, EventRow

ACTIVE = {"running", "paused", "held", "baking"}


def rollouts_of(session: Session) -> list[list[Any]]:
    """Each rollout: what is rolled out, and how far it is."""
    return [
        [row.model, row.alias, row.champion, row.version, row.state, row.step, row.revision]
        for row in session.scalars(select(RolloutRow).order_by(RolloutRow.id))
    ]


def alerts_of(session: Session) -> list[list[Any]]:
    """Each alert, and whether it is open."""
    return [
        [row.model, row.kind, row.subject, row.closed_at is None]
        for row in session.scalars(select(AlertRow).order_by(AlertRow.id))
    ]


def faults_of_rollouts(session: Session) -> Iterator[str]:
    """What does not hold: between a rollout, its alias, its alerts and the history."""
    held = set()
    for row in session.scalars(select(RolloutRow)):
        name = f"the rollout {row.id}, which is {row.state},"
        if (row.ended_at is None) is not (row.state in ACTIVE):
            yield f"{name} has a time of its end, or none"
        if (row.cooldown_until is not None) is not (row.state == "rolled_back"):
            yield f"{name} has a cooldown, or none"
        if row.state == "held":
            held.add((row.model, row.alias))
        if row.state in ACTIVE:
            yield from _of_active(session, row, name)
        yield from _of_history(session, row, name)
    opened = session.scalars(
        select(AlertRow).where(AlertRow.kind == "held", AlertRow.closed_at.is_(None))
    )
    if {(alert.model, alert.subject) for alert in opened} != held:
        yield "the open alerts are not those of the rollouts that are held"


def _of_active(session: Session, row: RolloutRow, name: str) -> Iterator[str]:
    alias = session.get(AliasRow, (row.model, row.alias))
    arms = {
        arm.number: arm.weight
        for arm in session.scalars(
            select(AliasArmRow).where(
                AliasArmRow.model == row.model, AliasArmRow.alias == row.alias
            )
        )
    }
    weight = round(100 * row.plan["steps"][row.step]["weight"])
    baking = row.state == "baking"
    expected = {} if baking else {row.champion: 10_000 - weight, row.version: weight}
    if alias is None or alias.number != (row.version if baking else row.champion):
        yield f"{name} has not the alias that it needs"
    if arms != expected:
        yield f"{name} has the weights {arms}"


def _of_history(session: Session, row: RolloutRow, name: str) -> Iterator[str]:
    """Each of its steps was made once, in their order, and its start and its end recorded once."""
    events = [
        event
        for event in session.scalars(
            select(EventRow).where(EventRow.model == row.model).order_by(EventRow.seq)
        )
        if event.details.get("rollout") == row.id
    ]
    types = [event.type for event in events]
    if types.count("rollout_started") != 1:
        yield f"{name} was started {types.count('rollout_started')} times"
    if types.count("rollout_ended") != (row.ended_at is not None):
        yield f"{name} was ended {types.count('rollout_ended')} times"
    weights = [event.details["weights"] for event in events if event.type == "split_changed"]
    made = [one[str(row.version)] for one in weights]
    steps = [one["weight"] for one in row.plan["steps"][:-1]]
    promoted = types.count("promoted")
    if promoted > 1 or promoted != (row.step == len(steps)):
        yield f"{name} was promoted {promoted} times in step {row.step + 1}"
    if made != steps[: len(made)] or (not promoted and len(made) != row.step + 1):
        yield f"{name} made the steps {made}"
