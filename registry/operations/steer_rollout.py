"""What a person does with a rollout: pause, resume, abort or finish it."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from registry.errors import RolloutStateConflict
from registry.operations.move_rollout import RolloutMove, check_movable, move_rollout
from registry.operations.preparing import Prepare
from registry.operations.promote import EvaluateGates
from registry.operations.results import OperationResult
from registry.operations.rollout_rows import record_rollout, update_alerts, write_progress
from registry.operations.rows import locked_active_model
from registry.rollouts.plan import Plan
from registry.rollouts.progress import Progress, State
from registry.storage.database import Database
from registry.storage.history import EventType
from registry.storage.idempotency import store_answer, stored_answer
from registry.storage.tables import utc_now
from registry.watching.rollouts import find_rollout, plan_of, progress_of, rollout_view


class _Verb(NamedTuple):
    """What is allowed in ``states``, and the ``event`` that it is."""

    name: str
    event: EventType
    states: tuple[State, ...]
    change: Callable[[Progress, Plan, datetime], Progress]


_PAUSE = _Verb(
    "pause", "rollout_paused", ("running", "held"), lambda progress, _plan, _now: progress.paused()
)
_RESUME = _Verb("resume", "rollout_resumed", ("paused", "held"), Progress.resumed)


def pause_rollout(database: Database, model: str, move: RolloutMove) -> OperationResult:
    """Let a rollout stay in its step, where its guards still apply; nothing if it is paused.

    Raises AliasMalformed, ModelNotFound, ModelArchived, RolloutNotFound, RolloutChanged,
    RolloutStateConflict, IdempotencyKeyReused, and the Unavailable errors.
    """
    return _steer(database, model, move, _PAUSE)


def resume_rollout(database: Database, model: str, move: RolloutMove) -> OperationResult:
    """Let a rollout that is paused or held go on; nothing if it is running.

    Raises as ``pause_rollout``.
    """
    return _steer(database, model, move, _RESUME)


def abort_rollout(
    database: Database,
    prepare: Prepare,
    model: str,
    move: RolloutMove,
    *,
    evaluate_gates: EvaluateGates,
) -> OperationResult:
    """Give all requests back to the champion.

    Raises as ``move_rollout``.
    """
    return move_rollout(database, prepare, model, "abort", move, evaluate_gates=evaluate_gates)


def finish_rollout(
    database: Database,
    prepare: Prepare,
    model: str,
    move: RolloutMove,
    *,
    evaluate_gates: EvaluateGates,
) -> OperationResult:
    """Promote the version at once; after the promotion, stop watching it.

    Raises as ``move_rollout``.
    """
    with database.read() as session:
        baking = find_rollout(session, model, move.alias).state == "baking"
    return move_rollout(
        database,
        prepare,
        model,
        "complete" if baking else "promote",
        move,
        evaluate_gates=evaluate_gates,
    )


def _steer(database: Database, model: str, move: RolloutMove, verb: _Verb) -> OperationResult:
    """Change a rollout; one that is in the state already stays as it is."""
    with database.write() as session:
        locked_active_model(session, model)
        if (answer := stored_answer(session, move.idempotency)) is not None:
            return OperationResult(answer, replayed=True)
        row = find_rollout(session, model, move.alias)
        check_movable(row, move, verb.name)
        before = progress_of(row)
        after = verb.change(before, plan_of(row), utc_now())
        unchanged = after.state == before.state
        if not unchanged:
            if before.state not in verb.states:
                raise RolloutStateConflict(verb.name, row.version, row.state)
            write_progress(session, row, after, move.reason or f"{move.actor} {verb.name}d it.")
            record_rollout(
                session, verb.event, row, actor=move.actor, reason=move.reason, via=move.via
            )
            update_alerts(session, row, actor=move.actor)
        view = rollout_view(row, utc_now())
        store_answer(session, move.idempotency, view)
        return OperationResult(view, unchanged=unchanged)
