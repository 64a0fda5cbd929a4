"""Point an alias at a version.

A promotion takes four steps, so that callers of the alias never meet a gap:

    prepare   every live worker loads the version and lets it answer once; if one worker cannot,
              nothing changes
    evaluate  the gates of the model's policy and of the request are evaluated; if one fails,
              nothing changes
    commit    one short transaction moves the alias and records the event
    announce  a counter in shared memory is raised; every worker looks at it before it resolves an
              alias, and reads the database where it has moved; only then is the caller answered

The previous version stays loaded, and requests in progress finish with the version they began
with. Gates are evaluated before the write transaction, which then checks that the champion, the
policy and the holdout are still those that were used.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from sqlalchemy.orm import Session

from registry.engines.served_version import ServedVersion
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
from registry.gates.inputs import GateInputs
from registry.gates.results import GateResult, all_passed
from registry.names import PRODUCTION, check_alias
from registry.operations.gate_inputs import read_gate_inputs
from registry.operations.results import OperationResult, replay
from registry.operations.rows import locked_active_model
from registry.reading.queries import find_version
from registry.storage.database import Database
from registry.storage.history import EventType, record
from registry.storage.idempotency import Idempotency, store_answer, stored_answer
from registry.storage.tables import AliasRow, ModelRow, VersionRow

Prepare = Callable[[ServedVersion], AbstractContextManager[object]]
"""Loads and warms a version in every worker, and keeps it loaded while the context manager that it
returns is entered; raises where that fails."""
EvaluateGates = Callable[[GateInputs], Sequence[GateResult]]
"""Raises Unavailable where the gates cannot be evaluated at present."""
ReadInputs = Callable[[Session], GateInputs]
"""Reads what the gates are evaluated with; raises where the alias may not be moved."""

ATTEMPTS = 3
"""How often the gates are evaluated where their inputs change in the meantime."""


class Unchecked(Enum):
    """Stands for 'no expectation', since None already means 'the alias must not exist'."""

    UNCHECKED = "unchecked"


UNCHECKED: Literal[Unchecked.UNCHECKED] = Unchecked.UNCHECKED


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRequest:
    """Who wants which alias moved, why, and which version they expect it to point at now.

    ``gates`` are evaluated in addition to the policy's. ``force`` moves the alias even where gates
    fail.
    """

    actor: str
    alias: str = PRODUCTION
    reason: str | None = None
    expected_version: int | Unchecked | None = UNCHECKED
    gates: tuple[Gate, ...] = ()
    force: bool = False
    idempotency: Idempotency | None = None


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

    Raises AliasMalformed, ModelNotFound, VersionNotFound, ModelArchived, VersionNotReady,
    VersionNotLoadable, ExpectedVersionConflict, GateRefused, GateFailed, ChampionMoved,
    IdempotencyKeyReused, and the Unavailable errors.
    """
    check_alias(request.alias)
    with database.read() as session:
        if (answer := stored_answer(session, request.idempotency)) is not None:
            return replay(database, answer)
        version = check_ready(find_version(session, model, reference))
        number = version.number
        _check_expected(request, session.get(AliasRow, (model, request.alias)))
        inputs = read_gate_inputs(session, version, request.alias, request.gates).to_promote()

    def read_again(session: Session) -> GateInputs:
        version = check_ready(find_version(session, model, str(number)))
        return read_gate_inputs(session, version, request.alias, request.gates).to_promote()

    return move_alias(
        database,
        prepare,
        request,
        inputs,
        event="promoted",
        evaluate_gates=evaluate_gates,
        read_again=read_again,
    )


def move_alias(
    database: Database,
    prepare: Prepare,
    request: PromotionRequest,
    inputs: GateInputs,
    *,
    event: EventType,
    evaluate_gates: EvaluateGates,
    read_again: ReadInputs,
) -> OperationResult:
    """Prepare the candidate of ``inputs``, evaluate its gates, and point the alias at it.

    ``read_again`` is called in the write transaction, where the model is locked. An alias that
    points at the candidate already stays, and no event is recorded.

    Raises what ``promote`` raises.
    """
    version = inputs.candidate.version
    with _prepared(prepare, version):
        for _ in range(ATTEMPTS):
            results = _evaluated(evaluate_gates, request, inputs)
            with database.write() as session:  # its end commits and announces
                model = locked_active_model(session, version.model)
                if (answer := stored_answer(session, request.idempotency)) is not None:
                    return OperationResult(answer, replayed=True)
                alias = session.get(AliasRow, (version.model, request.alias))
                _check_expected(request, alias)
                current = read_again(session)
                if current == inputs:
                    gates = [result.to_json() for result in results]
                    if not (request.force or all_passed(results)):
                        raise GateFailed(version.model, version.number, gates)
                    return _commit(
                        session,
                        model,
                        alias,
                        version.number,
                        request=request,
                        event=event,
                        gates=gates,
                    )
            inputs = current
    raise ChampionMoved(request.alias)


@contextmanager
def _prepared(prepare: Prepare, version: ServedVersion) -> Iterator[None]:
    """Raises VersionNotLoadable."""
    with ExitStack() as stack:
        try:
            stack.enter_context(prepare(version))
        except VersionUnavailable as error:
            raise VersionNotLoadable(version.model, version.number, error.why) from error
        except BlobUnavailable as error:
            raise VersionNotLoadable(version.model, version.number, error.detail) from error
        yield


def _evaluated(
    evaluate_gates: EvaluateGates, request: PromotionRequest, inputs: GateInputs
) -> Sequence[GateResult]:
    """The results of the gates. Where they cannot be evaluated, a forced request goes on with all
    of them failed: a champion that does not answer must not prevent its own replacement."""
    try:
        return evaluate_gates(inputs)
    except Unavailable as error:
        if not request.force:
            raise
        return [GateResult(gate=g.text, passed=False, reason=error.detail) for g in inputs.gates]


def _commit(
    session: Session,
    model: ModelRow,
    alias: AliasRow | None,
    number: int,
    *,
    request: PromotionRequest,
    event: EventType,
    gates: list[dict[str, Any]],
) -> OperationResult:
    """Move the alias; record the event and the answer. ``model`` is locked, ``alias`` read since.

    The history keeps the gates, and that the request was forced.
    """
    previous = None if alias is None else alias.number
    if previous != number:
        if alias is None:
            session.add(AliasRow(model=model.name, name=request.alias, number=number))
        else:
            alias.number, alias.previous_number = number, previous
        model.generation += 1
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
            | ({"forced": True} if request.force else {}),
        )
    answer = {
        "model": model.name,
        "alias": request.alias,
        "version": number,
        "previous_version": previous,
        "generation": model.generation,
        "gates": gates,
    }
    store_answer(session, request.idempotency, answer)
    return OperationResult(answer, unchanged=previous == number)


def check_ready(version: VersionRow) -> VersionRow:
    """``version``, which may answer. Raises VersionNotReady."""
    if version.status != "ready":
        raise VersionNotReady(version.model, version.number, version.status)
    return version


def _check_expected(request: PromotionRequest, alias: AliasRow | None) -> None:
    """Raises ExpectedVersionConflict."""
    actual = None if alias is None else alias.number
    if request.expected_version is not UNCHECKED and request.expected_version != actual:
        raise ExpectedVersionConflict(request.alias, request.expected_version, actual)
