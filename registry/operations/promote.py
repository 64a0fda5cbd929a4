"""Point an alias at a version.

Four steps, so that nobody who predicts by the alias ever sees a gap:

    prepare   every live worker loads the version and lets it answer once; if one cannot, nothing
              changes
    judge     the version is held against the gates of the model's policy and of the order; if one
              is shut, nothing changes
    commit    one short transaction moves the alias and writes the event
    announce  a counter in shared memory goes up; every worker looks at it before it resolves an
              alias, and reads the database when it has moved; only now does the caller get its
              answer

The version before stays loaded, and requests under way finish on the version they began with.
What is measured is measured before the write transaction, which then makes sure that champion,
policy and holdout are still those that it was measured with.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Literal

from sqlalchemy.orm import Session

from registry.database import Database
from registry.errors import (
    BlobUnavailable,
    ChampionMoved,
    ExpectedVersionConflict,
    GateFailed,
    Unavailable,
    VersionNotLoadable,
    VersionNotReady,
    VersionUnavailable,
)
from registry.gates.grammar import Gate
from registry.gates.outcomes import Outcome as GateOutcome
from registry.gates.outcomes import all_passed
from registry.history import EventType, record
from registry.idempotency import Idempotency, recall, remember
from registry.names import PRODUCTION, check_alias
from registry.operations.case import read_case
from registry.operations.outcome import Outcome, replay
from registry.operations.rows import locked_active_model
from registry.queries import find_version
from registry.scoring.cases import Case
from registry.serving.pool import ServedVersion
from registry.tables import AliasRow, ModelRow, VersionRow

Prepare = Callable[[ServedVersion], AbstractContextManager[object]]
"""Loads and warms a version wherever it will be asked for, and keeps it loaded while the context
manager that it returns is entered; raises where that fails."""
Judge = Callable[[Case], Sequence[GateOutcome]]
"""Says what becomes of the gates of a case; raises Unavailable where it cannot just now."""

ReadAgain = Callable[[Session], Case]

ATTEMPTS = 3
"""How often the gates are measured where what they compare with moves meanwhile."""


class Unchecked(Enum):
    """Stands for 'no expectation', since None already says 'the alias must not exist'."""

    UNCHECKED = "unchecked"


UNCHECKED: Literal[Unchecked.UNCHECKED] = Unchecked.UNCHECKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who wants which alias moved, why, and what they believe it points at now.

    ``gates`` are asked beside the policy's; ``force`` moves the alias although some are shut.
    """

    actor: str
    alias: str = PRODUCTION
    reason: str | None = None
    expected_version: int | Unchecked | None = UNCHECKED
    gates: tuple[Gate, ...] = ()
    force: bool = False
    idempotency: Idempotency | None = None


def promote(
    database: Database, prepare: Prepare, model: str, reference: str, order: Order, *, judge: Judge
) -> Outcome:
    """Point ``order.alias`` of ``model`` at the version that ``reference`` stands for.

    Raises AliasMalformed, ModelNotFound, VersionNotFound, ModelArchived, VersionNotReady,
    VersionNotLoadable, ExpectedVersionConflict, GateRefused, GateFailed, ChampionMoved,
    IdempotencyKeyReused, and the Unavailable errors.
    """
    check_alias(order.alias)
    with database.read() as session:
        if (answer := recall(session, order.idempotency)) is not None:
            return replay(database, answer)
        version = ready(find_version(session, model, reference))
        number = version.number
        _check_expected(order, session.get(AliasRow, (model, order.alias)))
        case = read_case(session, version, order.alias, order.gates).to_promote()

    def read_again(session: Session) -> Case:
        version = ready(find_version(session, model, str(number)))
        return read_case(session, version, order.alias, order.gates).to_promote()

    judged = partial(_judged, judge, order)
    return move_alias(database, prepare, order, case, "promoted", judge=judged, again=read_again)


def move_alias(
    database: Database,
    prepare: Prepare,
    order: Order,
    case: Case,
    event: EventType,
    *,
    judge: Judge,
    again: ReadAgain,
) -> Outcome:
    """Prepare the candidate of ``case``, judge it, and point the alias at it.

    ``again`` reads the case in the write transaction, where the model is locked; it raises where
    the move may no longer happen. An alias that points at the candidate already stays, and nothing
    is added to the history.

    Raises what ``promote`` raises.
    """
    version = case.candidate.version
    with _prepared(prepare, version):
        for _ in range(ATTEMPTS):
            outcomes = judge(case)
            with database.write() as session:  # at its end the commit, and the announcement
                row = locked_active_model(session, version.model)
                if (answer := recall(session, order.idempotency)) is not None:
                    return Outcome(answer, replayed=True)
                alias = session.get(AliasRow, (version.model, order.alias))
                _check_expected(order, alias)
                now = again(session)
                if now == case:
                    gates = [outcome.to_json() for outcome in outcomes]
                    if not (order.force or all_passed(outcomes)):
                        raise GateFailed(version.model, version.number, gates)
                    return _commit(
                        session,
                        row,
                        alias,
                        version.number,
                        order=order,
                        event=event,
                        gates=gates,
                    )
            case = now
    raise ChampionMoved(order.alias)


@contextmanager
def _prepared(prepare: Prepare, version: ServedVersion) -> Iterator[None]:
    """Raises VersionNotLoadable."""
    with ExitStack() as held:
        try:
            held.enter_context(prepare(version))
        except VersionUnavailable as error:
            raise VersionNotLoadable(version.model, version.number, error.why) from error
        except BlobUnavailable as error:
            raise VersionNotLoadable(version.model, version.number, error.detail) from error
        yield


def _commit(
    session: Session,
    row: ModelRow,
    alias: AliasRow | None,
    number: int,
    *,
    order: Order,
    event: EventType,
    gates: list[dict[str, Any]],
) -> Outcome:
    """Write the move, the event and the answer. ``row`` is locked, ``alias`` read since."""
    previous = None if alias is None else alias.number
    if previous != number:
        if alias is None:
            session.add(AliasRow(model=row.name, name=order.alias, number=number))
        else:
            alias.number, alias.previous_number = number, previous
        row.generation += 1
        record(
            session,
            event,
            actor=order.actor,
            model=row.name,
            alias=order.alias,
            from_version=previous,
            to_version=number,
            reason=order.reason,
            details=_details(gates, order),
        )
    answer = {
        "model": row.name,
        "alias": order.alias,
        "version": number,
        "previous_version": previous,
        "generation": row.generation,
        "gates": gates,
    }
    remember(session, order.idempotency, answer)
    return Outcome(answer, unchanged=previous == number)


def ready(version: VersionRow) -> VersionRow:
    """``version``, which may answer. Raises VersionNotReady."""
    if version.status != "ready":
        raise VersionNotReady(version.model, version.number, version.status)
    return version


def _judged(judge: Judge, order: Order, case: Case) -> Sequence[GateOutcome]:
    """What the judge says; a champion that keeps it from saying anything cannot hinder force."""
    try:
        return judge(case)
    except Unavailable as error:
        if not order.force:
            raise
        return [GateOutcome(gate=g.text, passed=False, reason=error.detail) for g in case.gates]


def _check_expected(order: Order, alias: AliasRow | None) -> None:
    """Raises ExpectedVersionConflict."""
    actual = None if alias is None else alias.number
    if order.expected_version is not UNCHECKED and order.expected_version != actual:
        raise ExpectedVersionConflict(order.alias, order.expected_version, actual)


def _details(gates: list[dict[str, Any]], order: Order) -> dict[str, Any]:
    """What the history keeps of a move beside who, when and why."""
    details: dict[str, Any] = {"gates": gates} if gates else {}
    if order.force:
        details["forced"] = True
    return details
