"""What the history says of a version's promotions: the gates that it passed, and their figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.tables import EventRow

HOLDOUT = "holdout"
"""What ``measured`` says of a figure that the registry measured itself."""
_LATEST = 20


class PassedGate(msgspec.Struct, frozen=True):
    """A gate and how it went; ``measured``: on what, None where it is about no metric."""

    gate: str
    passed: bool
    candidate: float | None = None
    champion: float | None = None
    reason: str | None = None
    interval: tuple[float, float] | None = None
    measured: str | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """An alias was pointed at the version; ``forced``: although gates were shut."""

    at: datetime
    alias: str | None
    actor: str
    reason: str | None
    forced: bool
    gates: tuple[PassedGate, ...]


def promotions_of(session: Session, model: str, number: int) -> list[Promotion]:
    """The latest promotions of a version, and rollbacks to it, newest first; at most 20."""
    events = session.scalars(
        select(EventRow)
        .where(
            EventRow.model == model,
            EventRow.to_version == number,
            EventRow.type.in_(("promoted", "rolled_back")),
        )
        .order_by(EventRow.seq.desc())
        .limit(_LATEST)
    )
    return [_promotion(event) for event in events]


def measured_metrics(session: Session, model: str, number: int) -> dict[str, float]:
    """The figures that gates measured on a holdout, each by the latest promotion that has it."""
    metrics: dict[str, float] = {}
    for promotion in promotions_of(session, model, number):
        for outcome in promotion.gates:
            if outcome.measured == HOLDOUT and outcome.candidate is not None:
                # A gate about a metric begins with its name.
                metrics.setdefault(outcome.gate.partition(" ")[0], outcome.candidate)
    return metrics


def _promotion(event: EventRow) -> Promotion:
    return Promotion(
        at=event.at,
        alias=event.alias,
        actor=event.actor,
        reason=event.reason,
        forced=event.details.get("forced") is True,
        gates=tuple(_gates(event.details.get("gates"))),
    )


def _gates(value: Any) -> Iterator[PassedGate]:
    """Those that are of this form: an older release may have written others."""
    for outcome in value if isinstance(value, list) else ():
        try:
            yield msgspec.convert(outcome, PassedGate)
        except msgspec.ValidationError:
            continue
