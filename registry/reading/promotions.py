"""Promotions of a version by the history: the gates that it passed, and their metrics."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from registry.storage.tables import EventRow

HOLDOUT = "holdout"
"""The value of ``measured`` for metrics that the registry measured itself."""
_LATEST = 20


class PassedGate(msgspec.Struct, frozen=True):
    """The result of a gate; ``measured``: on what, None for a gate without a metric; ``holdout``:
    its SHA-256."""

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
    """An alias was pointed at the version; ``forced``: even if gates failed."""

    at: datetime
    alias: str | None
    actor: str
    reason: str | None
    forced: bool
    gates: tuple[PassedGate, ...]


def promotions_of(session: Session, model: str, number: int) -> list[Promotion]:
    """The latest promotions of a version, and rollbacks to it, newest first; at most 20."""
    return [_promotion(event) for event in _moves(session, model, EventRow.to_version, number)]


def measured_figures(session: Session, model: str, number: int) -> dict[str, dict[str, float]]:
    """The metrics of a version that gates measured on holdouts, by metric and then by holdout.

    The version was the candidate or the champion of a promotion. The latest holdout comes first,
    with its latest value. A holdout is named by its SHA-256, or by the event where an older release
    did not record that.
    """
    found: dict[str, dict[str, float]] = {}
    moves = {
        event.seq: event
        for column in (EventRow.to_version, EventRow.from_version)
        for event in _moves(session, model, column, number)
    }
    for _, event in sorted(moves.items(), reverse=True)[:_LATEST]:
        for result in _gates(event.details.get("gates")):
            is_candidate = event.to_version == number
            figure = result.candidate if is_candidate else result.champion
            if result.measured == HOLDOUT and figure is not None:
                # A gate about a metric begins with its name.
                metric = found.setdefault(result.gate.partition(" ")[0], {})
                metric.setdefault(result.holdout or f"event {event.seq}", figure)
    return found


def measured_metrics(session: Session, model: str, number: int) -> dict[str, float]:
    """The latest value of each metric that gates measured on a holdout."""
    figures = measured_figures(session, model, number)
    return {metric: next(iter(by_holdout.values())) for metric, by_holdout in figures.items()}


def _moves(
    session: Session, model: str, column: InstrumentedAttribute[int | None], number: int
) -> Iterable[EventRow]:
    """The last moves whose ``column`` is ``number``, newest first."""
    return session.scalars(
        select(EventRow)
        .where(
            EventRow.model == model,
            EventRow.alias.is_not(None),
            EventRow.type.in_(("promoted", "rolled_back")),
            column == number,
        )
        .order_by(EventRow.seq.desc())  # an index has the moves of a version in this order
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
    """The results that have this form: an older release may have written others."""
    for result in value if isinstance(value, list) else ():
        try:
            yield msgspec.convert(result, PassedGate)
        except msgspec.ValidationError:
            continue
