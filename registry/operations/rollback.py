"""Point an alias back at a version that it pointed at before."""

from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.errors import AliasNotFound, NothingToRollBackTo, SplitNotFound
from registry.gates.inputs import GateInputs
from registry.operations.end_split import end_split
from registry.operations.gate_inputs import read_rollback_inputs
from registry.operations.preparing import Prepare
from registry.operations.promote import EvaluateGates, PromotionRequest, move_alias
from registry.operations.results import OperationResult
from registry.reading.queries import find_ready_version, find_version
from registry.reading.splits import weights_of
from registry.reading.trail import trail
from registry.storage.database import Database
from registry.storage.history import MOVES
from registry.storage.tables import WITHOUT_RELATED, AliasRow, EventRow


def rollback(
    database: Database,
    prepare: Prepare,
    model: str,
    request: PromotionRequest,
    to_version: int | None = None,
    *,
    evaluate_gates: EvaluateGates,
) -> OperationResult:
    """Point the alias at ``to_version``, or at its previous version by the history.

    A second rollback goes back one version further; it does not undo the first. Only the gates of
    the policy that say whether the version can serve are evaluated: a version that is worse than
    the champion may be better than what the champion turned out to be.

    Without ``to_version``, the rollback of an alias that is split ends the split: its champion, and
    what the next rollback goes back to, stay as they are.

    Raises AliasMalformed, ModelNotFound, AliasNotFound, ModelArchived, VersionNotFound,
    VersionNotReady, NothingToRollBackTo, VersionNotLoadable, GateFailed, ChampionMoved,
    ExpectedVersionConflict, ExpectedGenerationConflict, IdempotencyKeyReused, the Unavailable
    errors, and what ``request.within`` raises.
    """

    def read_inputs(session: Session, number: int | None) -> GateInputs:
        if session.get(AliasRow, (model, request.alias)) is None:
            raise AliasNotFound(model, request.alias)
        if to_version is None:
            if weights_of(session, model, request.alias):  # it was split in the meantime
                raise NothingToRollBackTo.moved(request.alias)
            previous = next(islice(trail(session, model, request.alias), 1, None), None)
            if previous is None:
                raise NothingToRollBackTo(request.alias)
            target = previous
        else:
            target = find_version(session, model, str(to_version), WITHOUT_RELATED).number
            # It stays true that the alias once pointed at the version.
            if number is None and not _was_target(session, model, request.alias, target):
                raise NothingToRollBackTo(request.alias, target)
        if number not in {None, target}:
            raise NothingToRollBackTo.moved(request.alias)
        version = find_ready_version(session, model, str(target), WITHOUT_RELATED)
        return read_rollback_inputs(session, version)

    if to_version is None and _is_split(database, model, request.alias):
        try:
            return end_split(database, model, request, why="rolled_back")
        except SplitNotFound as error:  # it ended in the meantime
            raise NothingToRollBackTo.moved(request.alias) from error
    return move_alias(
        database,
        prepare,
        model,
        request,
        read_inputs,
        evaluate_gates=evaluate_gates,
        event="rolled_back",
    )


def _is_split(database: Database, model: str, alias: str) -> bool:
    with database.read() as session:
        return bool(weights_of(session, model, alias))


def _was_target(session: Session, model: str, alias: str, number: int) -> bool:
    """Whether the alias ever pointed at the version."""
    query = select(EventRow.seq).where(
        EventRow.model == model,
        EventRow.alias == alias,
        EventRow.type.in_(MOVES),
        EventRow.to_version == number,
    )
    return session.scalar(query.limit(1)) is not None
