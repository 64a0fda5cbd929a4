"""What the history says of a version's promotions: the gates that it passed, and their figures."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from registry.storage.tables import EventRow

HOLDOUT = "holdout"
"""What ``measured`` says of a figure that the registry measured itself."""
_LATEST = 20


class PassedGate(msgspec.Struct, frozen=True):
    """A gate and how it went; ``measured``: on what, None where it is about no metric; ``holdout``:
    the SHA-256 of the table."""

    gate: str
    passed: bool
    candidate: float | None = None
    champion: float | None = None
    reason: str | None = None
    interval: tuple[float, float] | None = None
    measured: str | None = None
    holdout: str | None = None


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
    events = _moves(session, model, EventRow.to_version == number)
    return [_promotion(event) for event in events]


def measured_figures(session: Session, model: str, number: int) -> dict[str, dict[str, float]]:
    """What gates measured of a version on holdouts: metric, then holdout, then the figure.

    As the candidate of a promotion and as the champion of one; the latest holdout stands first,
    with its latest figure. A holdout is named by its SHA-256; where an older release did not keep
    that, the event stands for it.
    """
    found: dict[str, dict[str, float]] = {}
    either = or_(EventRow.to_version == number, EventRow.from_version == number)
    for event in _moves(session, model, either):
        for outcome in _gates(event.details.get("gates")):
            is_candidate = event.to_version == number
            figure = outcome.candidate if is_candidate else outcome.champion
            if outcome.measured == HOLDOUT and figure is not None:
                # A gate about a metric begins with its name.
                metric = found.setdefault(outcome.gate.partition(" ")[0], {})
                metric.setdefault(outcome.holdout or f"event {event.seq}", figure)
    return found


def measured_metrics(session: Session, model: str, number: int) -> dict[str, float]:
    """The latest of the figures that gates measured on holdouts."""
    figures = measured_figures(session, model, number)
    return {metric: next(iter(by_holdout.values())) for metric, by_holdout in figures.items()}


def _moves(session: Session, model: str, which: ColumnElement[bool]) -> Iterable[EventRow]:
    return session.scalars(
        select(EventRow)
        .where(EventRow.model == model, EventRow.type.in_(("promoted", "rolled_back")), which)
        .order_by(EventRow.seq.desc())
        .limit(_LATEST)
    )


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
