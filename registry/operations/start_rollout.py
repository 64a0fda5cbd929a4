"""Start a rollout: give a version a share of the requests for an alias, and more in steps.

The first step is a split of the alias, made in the transaction that inserts the rollout. The keeper
makes the others (``registry.operations.move_rollout``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.errors import (
    AliasNotFound,
    RolloutActive,
    RolloutCoolingDown,
    RolloutRefused,
    SplitInTheWay,
)
from registry.gates.policies import check_task
from registry.live.snapshot import served_version
from registry.names import check_alias
from registry.operations.alias_requests import AliasRequest, expected_alias
from registry.operations.close_alert import close_alert
from registry.operations.preparing import Prepare
from registry.operations.promote import EvaluateGates
from registry.operations.results import OperationResult, replay
from registry.operations.rollout_rows import record_rollout, rollout_details
from registry.operations.rows import locked_model
from registry.operations.split_alias import SplitRequest, split_alias
from registry.reading.queries import find_model, find_ready_version
from registry.reading.views import View
from registry.rollouts.observed import Observed, Sources
from registry.rollouts.plan import Plan
from registry.rollouts.progress import Progress
from registry.splits.buckets import BUCKETS
from registry.storage.database import Database
from registry.storage.idempotency import store_answer, stored_answer
from registry.storage.rollout_tables import RolloutRow
from registry.storage.tables import AliasRow, utc_now
from registry.watching.recorded_traffic import HOUR, figures_of, read_traffic
from registry.watching.rollouts import active_rollout, rollout_view
from registry.watching.traffic import MINUTE, floor

ReadSources = Callable[[str, str], Sources]
"""Reads what this host's server has counted of the versions of a model under an alias."""


def no_sources(_model: str, _alias: str) -> Sources:
    """Where no server counts."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRequest(AliasRequest):
    """A request to start a rollout. ``force``: also within the cooldown of the version, and where
    gates fail; it does not apply to the promotion at its end."""

    plan: Plan
    force: bool = False


def start_rollout(
    database: Database,
    prepare: Prepare,
    model: str,
    reference: str,
    request: RolloutRequest,
    *,
    evaluate_gates: EvaluateGates,
    read_sources: ReadSources = no_sources,
) -> OperationResult:
    """Start a rollout of the version that ``reference`` stands for. One of the same version with
    the same plan that is in progress stays as it is.

    Its counts begin at what ``read_sources``, which must not raise, reads before the commit.

    Raises RolloutRefused, RolloutActive, RolloutCoolingDown, SplitInTheWay, GateRefused for a
    requirement that the version's task does not have, and what ``split_alias`` raises.
    """
    check_alias(request.alias)
    with database.read() as session:
        if (answer := stored_answer(session, request.idempotency)) is not None:
            return replay(database, answer)
        row = find_model(session, model)
        version = find_ready_version(session, model, reference)
        number = version.number
        check_task(request.plan.require, served_version(version).signature.task)
        same = _same(session, model, number, request)
        if same is None:
            alias = expected_alias(session, row, request)
            if alias is None:
                raise AliasNotFound(model, request.alias)
            champion = alias.number
            _check(session, alias, number, request)
            observed = Observed.begin(request.plan, _times(session, model, champion, request.alias))
    if same is not None:
        return _unchanged(database, request, same)
    details: dict[str, Any] = {}
    started: list[View] = []

    def within(session: Session) -> None:
        alias = session.get_one(AliasRow, (model, request.alias))
        _check(session, alias, number, request)
        progress = Progress.begin(request.plan, number, champion, utc_now())
        # Every request after the commit is counted after this.
        begun = observed.starting_at(read_sources(model, request.alias))
        rollout = _insert(session, model, request, progress, begun)
        details.update(rollout_details(rollout))  # read by split_alias after this
        started.append(rollout_view(rollout, utc_now()))
        store_answer(session, request.idempotency, started[0])

    try:
        split = split_alias(
            database,
            prepare,
            model,
            _first_split(request, champion, number, details, within),
            evaluate_gates=evaluate_gates,
        )
    except RolloutActive:  # of another request at the same time
        with database.read() as session:
            if (same := _same(session, model, number, request)) is None:
                raise
        return _unchanged(database, request, same)
    return split if split.replayed else OperationResult(started[0])


def _unchanged(database: Database, request: RolloutRequest, same: View) -> OperationResult:
    """The answer where nothing has to be done; a repeat is answered with it, and so starts no
    rollout when this one has ended."""
    if request.idempotency is not None:
        with database.write(announce=False) as session:
            locked_model(session, same["model"])  # the same request may be answered meanwhile
            answer = stored_answer(session, request.idempotency)
            if answer is None:
                store_answer(session, request.idempotency, same)
        if answer is not None:
            return replay(database, answer)
    database.confirm_again()  # the request that started it may not have been answered yet
    return OperationResult(same, unchanged=True)


def _same(session: Session, model: str, number: int, request: RolloutRequest) -> View | None:
    """The rollout in progress, if its version and plan are those of the request."""
    row = active_rollout(session, model, request.alias)
    if row is None or (row.version, row.plan) != (number, request.plan.to_json()):
        return None
    return rollout_view(row, utc_now())


def _check(session: Session, alias: AliasRow, number: int, request: RolloutRequest) -> None:
    """Raises RolloutActive, RolloutRefused, SplitInTheWay, RolloutCoolingDown."""
    row = active_rollout(session, alias.model, alias.name)
    if row is not None:
        raise RolloutActive(alias.name, row.version, row.state)
    if alias.number == number:
        raise RolloutRefused.of_champion(alias.name, number)
    if alias.split_by is not None:
        raise SplitInTheWay(alias.name)
    until = session.scalar(
        select(RolloutRow.cooldown_until)
        .where(
            RolloutRow.model == alias.model,
            RolloutRow.alias == alias.name,
            RolloutRow.version == number,
            RolloutRow.cooldown_until > utc_now(),
        )
        .order_by(RolloutRow.id.desc())
        .limit(1)
    )
    if until is not None and not request.force:
        raise RolloutCoolingDown(alias.name, number, until)


def _times(session: Session, model: str, champion: int, alias: str) -> tuple[int, ...]:
    """The champion's answers by time in the last hour, as far as it is recorded."""
    until = floor(utc_now(), MINUTE) + MINUTE
    rows = read_traffic(session, [model], MINUTE, until - HOUR, until)
    figures = figures_of(row for row in rows if (row.version, row.alias) == (champion, alias))
    return tuple(int(count) for count in figures.times)


def _insert(
    session: Session, model: str, request: RolloutRequest, progress: Progress, observed: Observed
) -> RolloutRow:
    """Insert the rollout, and record its start.

    Its revision continues those of the alias's earlier rollouts: whoever has seen one of them
    expects a revision that this one never has.
    """
    now = progress.step_began_at
    last = session.scalar(
        select(func.max(RolloutRow.revision)).where(
            RolloutRow.model == model, RolloutRow.alias == request.alias
        )
    )
    row = RolloutRow(
        model=model,
        alias=request.alias,
        version=progress.version,
        champion=progress.champion,
        plan=request.plan.to_json(),
        state=progress.state,
        blocked=False,
        reason=f"{request.actor} started it.",
        step=0,
        step_began_at=now,
        deadline_at=progress.deadline_at,
        evidence=observed.to_json(),
        evidence_at=now,
        revision=(last or 0) + 1,
        forced=request.force,
        created_at=now,
        created_by=request.actor,
    )
    session.add(row)
    session.flush()
    record_rollout(
        session,
        "rollout_started",
        row,
        actor=request.actor,
        reason=request.reason,
        via=request.via,
    )
    close_alert(
        session,
        "guard",
        request.alias,
        actor=request.actor,
        reason=row.reason,
        model=model,
    )
    return row


def _first_split(
    request: RolloutRequest,
    champion: int,
    number: int,
    details: dict[str, Any],
    within: Callable[[Session], None],
) -> SplitRequest:
    weight = request.plan.steps[0].weight
    return SplitRequest(
        actor=request.actor,
        alias=request.alias,
        reason=request.reason,
        expected_version=champion,
        expected_generation=request.expected_generation,
        idempotency=request.idempotency,
        via=request.via,
        details=details,
        within=within,
        weights={champion: BUCKETS - weight, number: weight},
        by=request.plan.by,
        force=request.force,
    )
