"""Point an alias at a version.

Three steps, so that nobody who predicts by the alias ever sees a gap:

    prepare   every live worker loads the version and lets it answer once; if one cannot, nothing
              changes
    commit    one short transaction moves the alias and writes the event
    announce  a counter in shared memory goes up; every worker looks at it before it resolves an
              alias, and reads the database when it has moved; only now does the caller get its
              answer

The version before stays loaded, and requests under way finish on the version they began with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from sqlalchemy.orm import Session

from registry.database import Database
from registry.errors import (
    ArtifactRefused,
    BlobUnavailable,
    ExpectedVersionConflict,
    PredictionRefused,
    VersionNotFound,
    VersionNotLoadable,
    VersionNotReady,
)
from registry.history import EventType, record
from registry.idempotency import Idempotency, recall, remember
from registry.names import PRODUCTION, check_alias
from registry.operations.outcome import Outcome, replay
from registry.operations.rows import locked_active_model, locked_version
from registry.queries import find_version, served_version
from registry.serving.pool import ServedVersion
from registry.tables import AliasRow, VersionRow

Prepare = Callable[[ServedVersion], object]
"""Loads and warms a version wherever it will be asked for; raises where that fails."""


class Unchecked(Enum):
    """Stands for 'no expectation', since None already says 'the alias must not exist'."""

    UNCHECKED = "unchecked"


UNCHECKED: Literal[Unchecked.UNCHECKED] = Unchecked.UNCHECKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who wants which alias moved, why, and what they believe it points at now."""

    actor: str
    alias: str = PRODUCTION
    reason: str | None = None
    expected_version: int | Unchecked | None = UNCHECKED
    idempotency: Idempotency | None = None


def promote(
    database: Database, prepare: Prepare, model: str, reference: str, order: Order
) -> Outcome:
    """Point ``order.alias`` of ``model`` at the version that ``reference`` stands for.

    Raises AliasMalformed, ModelNotFound, VersionNotFound, ModelArchived, VersionNotReady,
    VersionNotLoadable, ExpectedVersionConflict, IdempotencyKeyReused.
    """
    check_alias(order.alias)
    with database.read() as session:
        if (answer := recall(session, order.idempotency)) is not None:
            return replay(database, answer)
        version = _ready(find_version(session, model, reference))
        served = served_version(version)
    prepare_or_refuse(prepare, served)
    with database.write() as session:  # at its end the commit, and the announcement
        return move_alias(session, model, served.number, order, "promoted")


def prepare_or_refuse(prepare: Prepare, version: ServedVersion) -> None:
    """Raises VersionNotLoadable."""
    try:
        prepare(version)
    except (ArtifactRefused, BlobUnavailable, PredictionRefused) as error:
        raise VersionNotLoadable(version.model, version.number, error.detail) from error


def move_alias(
    session: Session, model: str, number: int, order: Order, event: EventType
) -> Outcome:
    """The commit, within the caller's write transaction.

    An alias that points there already stays, and nothing is added to the history.
    """
    row = locked_active_model(session, model)
    if (answer := recall(session, order.idempotency)) is not None:
        return Outcome(answer, replayed=True)
    version = locked_version(session, model, number)
    if version is None:
        raise VersionNotFound(model, number)
    _ready(version)
    alias = session.get(AliasRow, (model, order.alias), populate_existing=True)
    previous = None if alias is None else alias.number
    if order.expected_version is not UNCHECKED and order.expected_version != previous:
        raise ExpectedVersionConflict(order.alias, order.expected_version, previous)
    if previous != number:
        if alias is None:
            session.add(AliasRow(model=model, name=order.alias, number=number))
        else:
            alias.number, alias.previous_number = number, previous
        row.generation += 1
        record(
            session,
            event,
            actor=order.actor,
            model=model,
            alias=order.alias,
            from_version=previous,
            to_version=number,
            reason=order.reason,
        )
    answer = {
        "model": model,
        "alias": order.alias,
        "version": number,
        "previous_version": previous,
        "generation": row.generation,
        "gates": [],
    }
    remember(session, order.idempotency, answer)
    return Outcome(answer)


def _ready(version: VersionRow) -> VersionRow:
    if version.status != "ready":
        raise VersionNotReady(version.model, version.number, version.status)
    return version
