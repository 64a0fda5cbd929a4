"""End the split of an alias: from then on its champion answers all requests."""

from registry.errors import AliasNotFound, SplitNotFound
from registry.names import check_alias
from registry.operations.alias_requests import (
    STATING,
    AliasRequest,
    confirm,
    expected_alias,
    keep_answer,
)
from registry.operations.end_rollout import end_other_rollout
from registry.operations.results import OperationResult, move_answer
from registry.operations.rows import locked_active_model
from registry.operations.split_rows import Why, clear_split
from registry.storage.database import Database
from registry.storage.idempotency import stored_answer


def end_split(
    database: Database, model: str, request: AliasRequest, *, why: Why = "ended"
) -> OperationResult:
    """End the split of ``request.alias``. No version has to be prepared: the champion answers.

    Raises AliasMalformed, ModelNotFound, ModelArchived, AliasNotFound, SplitNotFound,
    ExpectedVersionConflict, ExpectedGenerationConflict, IdempotencyKeyReused, the Unavailable
    errors, and what ``request.within`` raises.
    """
    check_alias(request.alias)
    # Its end commits and announces, also where it replays.
    with (
        database.confirming(*STATING, SplitNotFound),
        database.write(confirm=True) as session,
    ):
        row = locked_active_model(session, model)
        if (answer := stored_answer(session, request.idempotency)) is not None:
            return OperationResult(answer, replayed=True)
        alias = expected_alias(session, row, request)
        if alias is None:
            raise AliasNotFound(model, request.alias)
        if alias.split_by is None:
            raise SplitNotFound(model, request.alias)
        confirm(session, request)
        end_other_rollout(session, model, request, why)
        clear_split(
            session,
            alias,
            why,
            actor=request.actor,
            reason=request.reason,
            details=request.details,
            via=request.via,
        )
        row.generation += 1
        answer = move_answer(row, alias.name, alias.number, alias.number, split_ended=True)
        keep_answer(session, request, answer)
        return OperationResult(answer)
