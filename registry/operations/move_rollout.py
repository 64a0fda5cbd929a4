"""Move a rollout: to its next step, or to its end.

Each move of the alias is an operation of its own, a split, a promotion or a rollback, which changes
the rollout in its transaction. A move is made once: whoever has decided about another revision of
the rollout is refused.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from registry.errors import RolloutChanged, RolloutStateConflict
from registry.operations.alias_requests import AliasRequest
from registry.operations.end_split import end_split
from registry.operations.preparing import Prepare
from registry.operations.promote import EvaluateGates, PromotionRequest, promote
from registry.operations.results import OperationResult, replay
from registry.operations.rollback import rollback
from registry.operations.rollout_rows import (
    locked_rollout,
    record_rollout,
    rollout_details,
    update_alerts,
    write_progress,
)
from registry.operations.rows import locked_active_model
from registry.operations.split_alias import SplitRequest, split_alias
from registry.reading.views import View
from registry.rollouts.observed import Observed
from registry.rollouts.progress import ACTIVE, Action
from registry.splits.buckets import BUCKETS
from registry.storage.database import Database
from registry.storage.history import EventType
from registry.storage.idempotency import Idempotency, store_answer, stored_answer
from registry.storage.rollout_tables import RolloutRow
from registry.storage.tables import utc_now
from registry.watching.rollouts import (
    find_rollout,
    observed_of,
    plan_of,
    progress_of,
    rollout_view,
)

KEEPER = "keeper"
"""The actor of the moves that are made automatically."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutMove:
    """A change of the rollout in progress under ``alias``: by whom, and why.

    ``rollout`` and ``expected_revision``: the id and the revision of the rollout that the caller
    has seen; None: any. ``observed``: what was counted until now; None: as it is stored. ``at``:
    when it was decided; None: now.
    """

    actor: str
    alias: str
    reason: str | None = None
    rollout: int | None = None
    expected_revision: int | None = None
    observed: Observed | None = None
    at: datetime | None = None
    idempotency: Idempotency | None = None
    via: str | None = None


def move_rollout(
    database: Database,
    prepare: Prepare,
    model: str,
    action: Action,
    move: RolloutMove,
    *,
    evaluate_gates: EvaluateGates,
) -> OperationResult:
    """Carry out ``action``, which is neither ``wait`` nor ``require``.

    Raises AliasMalformed, ModelNotFound, RolloutNotFound, RolloutChanged, RolloutStateConflict
    where it has ended, IdempotencyKeyReused, the Unavailable errors, and what ``split_alias``,
    ``end_split``, ``promote`` or ``rollback`` raise.
    """
    with database.read() as session:
        if (answer := stored_answer(session, move.idempotency)) is not None:
            return replay(database, answer)
        row = find_rollout(session, model, move.alias)
        check_movable(row, move, action)
    change = _Change(row, action, move)
    progress = progress_of(row)
    if action == "advance":
        moved = split_alias(
            database, prepare, model, change.to_next_step(), evaluate_gates=evaluate_gates
        )
    elif action == "promote":
        moved = promote(
            database,
            prepare,
            model,
            str(row.version),
            change.promotion(row.champion),
            evaluate_gates=evaluate_gates,
        )
    elif action in {"roll_back", "abort"} and progress.state == "baking":
        moved = rollback(
            database,
            prepare,
            model,
            change.promotion(row.version),
            to_version=row.champion,
            evaluate_gates=evaluate_gates,
        )
    elif action in {"roll_back", "abort"}:
        moved = end_split(database, model, change.end_of_split())
    else:
        return _changed(database, model, change, move)
    return moved if moved.replayed else OperationResult(change.answers[-1])


def _changed(
    database: Database, model: str, change: "_Change", move: RolloutMove
) -> OperationResult:
    """Change the rollout, and not its alias."""
    with database.write() as session:
        locked_active_model(session, model)
        if (answer := stored_answer(session, move.idempotency)) is not None:
            return OperationResult(answer, replayed=True)
        change.within(session)
    return OperationResult(change.answers[-1])


def check_movable(row: RolloutRow, move: RolloutMove, verb: str) -> None:
    """Raises RolloutChanged also where another rollout has begun, and RolloutStateConflict where it
    has ended."""
    if move.rollout not in {None, row.id} or move.expected_revision not in {None, row.revision}:
        raise RolloutChanged(row.alias, move.expected_revision, row.revision, row.state)
    if row.state not in ACTIVE:
        raise RolloutStateConflict(verb, row.version, row.state)


class _Change:
    """The requests of the operations that move an alias for a rollout, and the change of the
    rollout within their transactions. ``answers`` has the rollout afterwards."""

    def __init__(self, row: RolloutRow, action: Action, move: RolloutMove) -> None:
        self._row = row
        self._action = action
        self._move = move
        self._plan = plan_of(row)
        self._details: dict[str, Any] = {}
        self.answers: list[View] = []

    def to_next_step(self) -> SplitRequest:
        weight = self._plan.steps[self._row.step + 1].weight
        return SplitRequest(
            **self._common(self._row.champion),
            weights={self._row.champion: BUCKETS - weight, self._row.version: weight},
        )

    def promotion(self, champion: int) -> PromotionRequest:
        return PromotionRequest(**self._common(champion))

    def end_of_split(self) -> AliasRequest:
        return AliasRequest(**self._common(self._row.champion))

    def within(self, session: Session) -> None:
        """Change the rollout. Raises RolloutNotFound, RolloutChanged."""
        move, action = self._move, self._action
        row = locked_rollout(session, self._row)
        observed = move.observed or observed_of(row)
        row.evidence = observed.to_json()
        self._details.update(rollout_details(row))  # the alias's event is recorded after this
        if action in {"advance", "promote"}:
            observed = observed.next_step(promoted=action == "promote")
        progress = progress_of(row).after(action, self._plan, move.at or utc_now())
        reason = move.reason or f"{move.actor} requested it."
        write_progress(session, row, progress, reason, observed)
        if progress.state == "held":
            self._record(session, row, "rollout_held")
        elif progress.state not in ACTIVE:
            self._record(session, row, "rollout_ended")
        update_alerts(session, row, actor=move.actor)
        self.answers.append(rollout_view(row, utc_now()))
        store_answer(session, move.idempotency, self.answers[-1])

    def _record(self, session: Session, row: RolloutRow, event: EventType) -> None:
        record_rollout(
            session,
            event,
            row,
            actor=self._move.actor,
            reason=self._move.reason,
            via=self._move.via,
        )

    def _common(self, champion: int) -> dict[str, Any]:
        """What the requests have in common, for an alias that points at ``champion``."""
        return {
            "actor": self._move.actor,
            "alias": self._move.alias,
            "reason": self._move.reason,
            "expected_version": champion,
            "idempotency": self._move.idempotency,
            "via": self._move.via,
            "details": self._details,
            "within": self.within,
        }
