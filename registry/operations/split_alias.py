"""Split an alias over several versions, or change the weights of its split.

As with a promotion, every worker loads the versions that are new, and their gates are evaluated,
before one short transaction changes the weights; the counter then announces it. So no request that
starts after the answer is answered by the weights before.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from registry.engines.served_version import ServedVersion
from registry.errors import AliasNotFound, ChampionMoved, GateFailed, SplitRefused
from registry.gates.compatibility import incompatibilities
from registry.gates.grammar import Gate, SignatureGate
from registry.gates.inputs import GateInputs
from registry.gates.results import GateResult, all_passed
from registry.live.snapshot import served_version
from registry.names import check_alias
from registry.operations.alias_requests import (
    STATING,
    AliasRequest,
    confirm,
    expected_alias,
    keep_answer,
)
from registry.operations.end_rollout import end_other_rollout
from registry.operations.gate_inputs import read_gate_inputs
from registry.operations.preparing import Prepare, commit_prepared
from registry.operations.promote import ATTEMPTS, EvaluateGates, gate_results
from registry.operations.results import OperationResult, replay
from registry.operations.rows import locked_active_model
from registry.operations.split_rows import write_split
from registry.reading.queries import find_model, find_ready_version
from registry.reading.splits import split_of, weights_of
from registry.splits.choice import SplitBy
from registry.splits.weights import check_weights, percentages
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.idempotency import stored_answer
from registry.storage.tables import AliasRow, ModelRow

COMPATIBLE = SignatureGate("signature compatible")
"""A caller cannot know which of the versions answers, so every one must understand all callers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRequest(AliasRequest):
    """A request to split an alias; ``weights`` are basis points by version, with the champion.

    ``by`` None: as the split is chosen by at present, or by the header where there is none yet.
    ``gates`` are evaluated for each new version in addition to the policy's; ``force`` splits the
    alias even where gates fail, except for ``signature compatible``.
    """

    weights: Mapping[int, int]
    by: SplitBy | None = None
    gates: tuple[Gate, ...] = ()
    force: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a split depends on: the weights at present (none: it is not split), the versions that
    have to be prepared, and what the gates of the new ones are evaluated with."""

    before: Mapping[int, int]
    prepared: tuple[ServedVersion, ...]
    new: tuple[GateInputs, ...]


_Results = Sequence[tuple[GateInputs, Sequence[GateResult]]]


def split_alias(
    database: Database,
    prepare: Prepare,
    model: str,
    request: SplitRequest,
    *,
    evaluate_gates: EvaluateGates,
) -> OperationResult:
    """Split ``request.alias`` of ``model`` by ``request.weights``.

    The first time, every version is prepared; later only those that are new. Weights that are in
    use already change nothing.

    Raises AliasMalformed, SplitRefused, ModelNotFound, ModelArchived, AliasNotFound,
    VersionNotFound, VersionNotReady, VersionNotLoadable, PromotionAbandoned,
    ExpectedVersionConflict, ExpectedGenerationConflict, GateRefused, GateFailed, ChampionMoved,
    IdempotencyKeyReused, the Unavailable errors, and what ``request.within`` raises.
    """
    check_alias(request.alias)
    check_weights(request.weights)
    with database.confirming(*STATING), database.read() as session:
        if (answer := stored_answer(session, request.idempotency)) is not None:
            return replay(database, answer)
        row = find_model(session, model)
        plan = _read_plan(session, row, _alias(session, row, request), request)
    with ExitStack() as held:
        promotions = [held.enter_context(prepare(version)) for version in plan.prepared]
        prepared = {version.number for version in plan.prepared}
        for _ in range(ATTEMPTS):
            results = [
                (inputs, gate_results(evaluate_gates, inputs, force=request.force))
                for inputs in plan.new
            ]
            with database.write(confirm=True) as session:  # its end commits and announces
                row = locked_active_model(session, model)
                if (answer := stored_answer(session, request.idempotency)) is not None:
                    return OperationResult(answer, replayed=True)
                alias = _alias(session, row, request)
                current = _read_plan(session, row, alias, request)
                if current == plan:
                    for promotion in promotions:
                        commit_prepared(session, promotion)
                    return _commit(session, row, alias, plan, request=request, results=results)
            if not prepared.issuperset(version.number for version in current.prepared):
                break
            plan = current
    raise ChampionMoved(request.alias)


def _alias(session: Session, model: ModelRow, request: SplitRequest) -> AliasRow:
    """Raises AliasNotFound, ExpectedVersionConflict, ExpectedGenerationConflict."""
    alias = expected_alias(session, model, request)
    if alias is None:
        raise AliasNotFound(model.name, request.alias)
    return alias


def _read_plan(session: Session, model: ModelRow, alias: AliasRow, request: SplitRequest) -> _Plan:
    """Raises SplitRefused, VersionNotFound, VersionNotReady, GateRefused."""
    if alias.number not in request.weights:
        raise SplitRefused.without_champion(alias.name, alias.number)
    before = weights_of(session, model.name, alias.name)
    added = [number for number in sorted(request.weights) if number not in before]
    rows = [find_ready_version(session, model.name, str(number)) for number in added]
    return _Plan(
        before,
        tuple(served_version(row) for row in rows),
        tuple(
            read_gate_inputs(session, row, alias.name, (COMPATIBLE, *request.gates))
            for row in rows
            if row.number != alias.number
        ),
    )


def _commit(
    session: Session,
    model: ModelRow,
    alias: AliasRow,
    plan: _Plan,
    *,
    request: SplitRequest,
    results: _Results,
) -> OperationResult:
    """Write the arms; record the event and the answer. ``model`` is locked.

    Raises GateFailed, and what ``request.within`` raises.
    """
    gates = _checked(model.name, results, force=request.force)
    confirm(session, request)
    by: Any = request.by or alias.split_by or "header"
    unchanged = dict(plan.before) == dict(request.weights) and by == alias.split_by
    if not unchanged:
        end_other_rollout(session, model.name, request, "split_changed")
        write_split(session, alias, request.weights, by)
        model.generation += 1
        record(
            session,
            "split_changed",
            actor=request.actor,
            model=model.name,
            alias=alias.name,
            reason=request.reason,
            details={
                "weights": percentages(request.weights),
                "before": percentages(plan.before) or None,
                "by": by,
                **({"gates": gates} if gates else {}),
                **({"forced": True} if request.force else {}),
                **request.details,
            },
            via=request.via,
        )
    answer = {
        **split_of(session, model.name, alias.name),
        "gates": [
            {"version": int(number), **result}
            for number, found in gates.items()
            for result in found
        ],
    }
    keep_answer(session, request, answer)
    return OperationResult(answer, unchanged=unchanged)


def _checked(model: str, results: _Results, *, force: bool) -> dict[str, list[dict[str, Any]]]:
    """The results of the gates as JSON, by version. Raises GateFailed."""
    checked = {}
    for inputs, found in results:
        number = inputs.candidate.version.number
        gates = [result.to_json() for result in found]
        if not (all_passed(found) or (force and _is_compatible(inputs))):
            raise GateFailed(model, number, gates)
        checked[str(number)] = gates
    return checked


def _is_compatible(inputs: GateInputs) -> bool:
    """Whether the candidate meets ``COMPATIBLE``, whatever its gates could be evaluated to."""
    if inputs.champion is None:
        return True
    champion = inputs.champion.version.signature
    return not any(incompatibilities(inputs.candidate.version.signature, champion))
