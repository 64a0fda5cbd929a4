"""Point an alias at a version.

A promotion takes these steps, so that callers of the alias see no interruption:

    prepare   every live worker loads the version and lets it answer once; if one worker cannot,
              nothing changes
    evaluate  the gates of the model's policy and of the request are evaluated; if one fails,
              nothing changes
    commit    one short transaction moves the alias and records the event
    announce  a counter in shared memory is raised; every worker looks at it before it resolves an
              alias, and reads the database where it has moved
    confirm   where hosts share the database: each has announced it too, or may not answer any more;
              only then is the caller answered

The previous version stays loaded, and requests in progress finish with the version they began
with. Gates are evaluated before the write transaction, which then checks that the champion, the
policy and the holdout are still those that were used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.errors import AliasTaken, ChampionMoved, GateFailed, SplitActive, Unavailable
from registry.gates.grammar import Gate
from registry.gates.inputs import GateInputs
from registry.gates.results import GateResult, all_passed
from registry.names import check_alias, check_new_alias, name_key
from registry.operations.alias_requests import (
    STATING,
    AliasRequest,
    confirm,
    expected_alias,
    keep_answer,
)
from registry.operations.end_rollout import end_other_rollout
from registry.operations.gate_inputs import read_promotion_inputs
from registry.operations.preparing import Prepare, commit_prepared
from registry.operations.results import OperationResult, move_answer, replay
from registry.operations.rows import locked_active_model
from registry.operations.split_rows import clear_split
from registry.reading.queries import find_model, find_ready_version
from registry.reading.splits import weights_of
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.idempotency import stored_answer
from registry.storage.tables import WITHOUT_RELATED, AliasRow, ModelRow, VersionRow

EvaluateGates = Callable[[GateInputs], Sequence[GateResult]]
"""Raises Unavailable where the gates cannot be evaluated at present."""
ReadInputs = Callable[[Session, int | None], GateInputs]
"""Reads what the gates are evaluated with; raises where the alias may not be moved. The number is
that of the candidate, or None where it has yet to be found."""

ATTEMPTS = 3
"""How often the gates are evaluated where their inputs change in the meantime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRequest(AliasRequest):
    """A request to point an alias at a version.

    ``gates`` are evaluated in addition to the policy's. ``force`` moves the alias even where gates
    fail. ``end_split``: also where the alias is split over other versions.
    """

    gates: tuple[Gate, ...] = ()
    force: bool = False
    end_split: bool = False


def promote(
    database: Database,
    prepare: Prepare,
    model: str,
    reference: str,
    request: PromotionRequest,
    *,
    evaluate_gates: EvaluateGates,
) -> OperationResult:
    """Point ``request.alias`` of ``model`` at the version that ``reference`` stands for.

    Raises AliasMalformed, AliasTaken, ModelNotFound, VersionNotFound, ModelArchived,
    VersionNotReady, VersionNotLoadable, PromotionAbandoned, ExpectedVersionConflict,
    ExpectedGenerationConflict, SplitActive, GateRefused, GateFailed, ChampionMoved,
    IdempotencyKeyReused, the Unavailable errors, and what ``request.within`` raises.
    """

    def read_inputs(session: Session, number: int | None) -> GateInputs:
        _check_alias_is_free(session, model, request.alias)
        version = find_ready_version(
            session, model, reference if number is None else str(number), WITHOUT_RELATED
        )
        _check_split(session, version, request)
        return read_promotion_inputs(session, version, request.alias, request.gates)

    return move_alias(
        database,
        prepare,
        model,
        request,
        read_inputs,
        evaluate_gates=evaluate_gates,
        event="promoted",
    )


def move_alias(
    database: Database,
    prepare: Prepare,
    model: str,
    request: PromotionRequest,
    read_inputs: ReadInputs,
    *,
    evaluate_gates: EvaluateGates,
    event: Literal["promoted", "rolled_back"],
) -> OperationResult:
    """Prepare the candidate that ``read_inputs`` finds, evaluate its gates, and move the alias.

    ``read_inputs`` is called again in the write transaction, where the model is locked.

    Raises what ``promote`` raises.
    """
    check_alias(request.alias)
    with database.confirming(*STATING), database.read() as session:
        if (answer := stored_answer(session, request.idempotency)) is not None:
            return replay(database, answer)
        expected_alias(
            session, find_model(session, model, WITHOUT_RELATED), request
        )  # refuses a wrong expectation before any work
        inputs = read_inputs(session, None)
    candidate = inputs.candidate.version
    with prepare(candidate) as prepared:
        for _ in range(ATTEMPTS):
            results = gate_results(evaluate_gates, inputs, force=request.force)
            with database.write(confirm=True) as session:  # its end commits and announces
                row = locked_active_model(session, model)
                if (answer := stored_answer(session, request.idempotency)) is not None:
                    return OperationResult(answer, replayed=True)
                alias = expected_alias(session, row, request)
                current = read_inputs(session, candidate.number)
                if current == inputs:
                    commit_prepared(session, prepared)
                    return _commit(
                        session,
                        row,
                        alias,
                        candidate.number,
                        request=request,
                        results=results,
                        event=event,
                    )
            inputs = current
    raise ChampionMoved(request.alias)


_ALIASES = select(AliasRow.name).where(AliasRow.model == bindparam("model"))


def _check_alias_is_free(session: Session, model: str, alias: str) -> None:
    """Check that the alias exists or can be created. Raises AliasMalformed, AliasTaken."""
    names = session.scalars(_ALIASES, {"model": model}).all()
    if alias in names:
        return
    check_new_alias(alias)
    for name in names:
        if name_key(name) == name_key(alias):
            raise AliasTaken(model, alias, name)


def _check_split(session: Session, version: VersionRow, request: PromotionRequest) -> None:
    """Check that a version outside of a split does not end it, unless the request says so: the job
    that sent it may not know of the split. Raises SplitActive."""
    arms = weights_of(session, version.model, request.alias)
    if arms and version.number not in arms and not request.end_split:
        raise SplitActive(version.model, request.alias, version.number, arms)


def gate_results(
    evaluate_gates: EvaluateGates, inputs: GateInputs, *, force: bool
) -> Sequence[GateResult]:
    """The results of the gates. Where they cannot be evaluated, a forced request goes on with all
    of them failed: a champion that does not answer must not prevent its own replacement.

    Raises Unavailable.
    """
    try:
        return evaluate_gates(inputs)
    except Unavailable as error:
        if not force:
            raise
        return [GateResult(gate=g.text, passed=False, reason=error.detail) for g in inputs.gates]


def _commit(
    session: Session,
    model: ModelRow,
    alias: AliasRow | None,
    number: int,
    *,
    request: PromotionRequest,
    results: Sequence[GateResult],
    event: Literal["promoted", "rolled_back"],
) -> OperationResult:
    """Move the alias, and end its split; record the events and the answer. ``model`` is locked.

    The event has the results of the gates, and says where the request was forced. An alias that
    points at the version already and is not split stays as it is, and no event is recorded.

    Raises GateFailed, and what ``request.within`` raises.
    """
    gates = [result.to_json() for result in results]
    if not (request.force or all_passed(results)):
        raise GateFailed(model.name, number, gates)
    confirm(session, request)
    previous = None if alias is None else alias.number
    split_ended = alias is not None and clear_split(
        session,
        alias,
        event,
        actor=request.actor,
        reason=request.reason,
        details=request.details,
        via=request.via,
    )
    if previous != number or split_ended:
        model.generation += 1
        end_other_rollout(session, model.name, request, event)
    if previous != number:
        if alias is None:
            session.add(AliasRow(model=model.name, name=request.alias, number=number))
        else:
            alias.number, alias.previous_number = number, previous
        record(
            session,
            event,
            actor=request.actor,
            model=model.name,
            alias=request.alias,
            from_version=previous,
            to_version=number,
            reason=request.reason,
            details=({"gates": gates} if gates else {})
            | ({"forced": True} if request.force else {})
            | dict(request.details),
            via=request.via,
        )
    answer = move_answer(model, request.alias, number, previous, gates, split_ended=split_ended)
    keep_answer(session, request, answer)
    return OperationResult(answer, unchanged=previous == number and not split_ended)
