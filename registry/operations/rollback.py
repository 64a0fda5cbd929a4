"""Point an alias back at a version that it pointed at before."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.database import Database
from registry.errors import (
    AliasNotFound,
    ChampionMoved,
    GateFailed,
    NothingToRollBackTo,
    VersionNotFound,
    VersionNotReady,
)
from registry.gates.outcomes import all_passed
from registry.idempotency import recall
from registry.names import check_alias
from registry.operations.case import read_case
from registry.operations.outcome import Outcome, replay
from registry.operations.promote import (
    ATTEMPTS,
    Judge,
    Order,
    Prepare,
    move_alias,
    prepare_or_refuse,
)
from registry.operations.rows import locked_active_model
from registry.queries import find_model, find_version
from registry.tables import AliasRow, EventRow, VersionRow


def rollback(
    database: Database,
    prepare: Prepare,
    model: str,
    order: Order,
    to_version: int | None = None,
    *,
    judge: Judge,
) -> Outcome:
    """Point the alias at ``to_version``, or at the one before the present one by the history.

    A second rollback goes one further back, not forth. Of the policy's gates those alone are held
    that say whether the version can serve: what is worse than the champion may be better than
    what the champion turned out to be.

    Raises AliasMalformed, ModelNotFound, AliasNotFound, ModelArchived, VersionNotFound,
    VersionNotReady, NothingToRollBackTo, VersionNotLoadable, GateFailed, ChampionMoved,
    ExpectedVersionConflict, IdempotencyKeyReused, and the Unavailable errors.
    """
    check_alias(order.alias)
    with database.read() as session:
        if (answer := recall(session, order.idempotency)) is not None:
            return replay(database, answer)
        find_model(session, model)
        version = session.get(VersionRow, (model, _target(session, model, order, to_version)))
        if version is None:
            raise VersionNotFound(model, to_version)
        if version.status != "ready":
            raise VersionNotReady(model, version.number, version.status)
        case = read_case(session, version, order.alias).about_loading()
    number = case.candidate.version.number
    prepare_or_refuse(prepare, case.candidate.version)
    for _ in range(ATTEMPTS):
        outcomes = judge(case)
        with database.write() as session:
            locked_active_model(session, model)
            if (answer := recall(session, order.idempotency)) is not None:
                return Outcome(answer, replayed=True)
            if _target(session, model, order, to_version) != number:
                raise NothingToRollBackTo.moved(order.alias)
            version = find_version(session, model, str(number))
            now = read_case(session, version, order.alias).about_loading()
            if now == case:
                if not all_passed(outcomes):
                    raise GateFailed(model, number, [outcome.to_json() for outcome in outcomes])
                return move_alias(session, model, number, order, "rolled_back", outcomes=outcomes)
        case = now
    raise ChampionMoved(order.alias)


def trail(session: Session, model: str, alias: str) -> list[int]:
    """The versions that lie behind the alias, the present one last.

    A promotion lays one on top; a rollback takes off what lies above its target; a deletion of the
    alias, or an archived model, takes all.
    """
    versions: list[int] = []
    for event in session.scalars(
        select(EventRow).where(EventRow.model == model).order_by(EventRow.seq)
    ):
        if event.type == "model_archived" or (
            event.type == "alias_deleted" and event.alias == alias
        ):
            versions.clear()
        elif event.alias == alias and event.to_version is not None:
            if event.type == "rolled_back" and event.to_version in versions[:-1]:
                versions.pop()
                while versions[-1] != event.to_version:
                    versions.pop()
            else:
                versions.append(event.to_version)
    return versions


def _target(session: Session, model: str, order: Order, to_version: int | None) -> int:
    if session.get(AliasRow, (model, order.alias), populate_existing=True) is None:
        raise AliasNotFound(model, order.alias)
    if to_version is None:
        behind = trail(session, model, order.alias)
        if len(behind) < 2:
            raise NothingToRollBackTo(order.alias)
        return behind[-2]
    if session.get(VersionRow, (model, to_version)) is None:
        raise VersionNotFound(model, to_version)
    held = select(EventRow.seq).where(
        EventRow.model == model,
        EventRow.alias == order.alias,
        EventRow.to_version == to_version,
    )
    if session.scalar(held.limit(1)) is None:
        raise NothingToRollBackTo(order.alias, to_version)
    return to_version
