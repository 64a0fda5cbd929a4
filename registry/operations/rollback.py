"""Point an alias back at a version that it pointed at before."""

from dataclasses import dataclass, replace

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from registry.errors import AliasNotFound, NothingToRollBackTo
from registry.gates.inputs import GateInputs
from registry.names import check_alias
from registry.operations.gate_inputs import read_gate_inputs
from registry.operations.promote import (
    EvaluateGates,
    Prepare,
    PromotionRequest,
    check_ready,
    move_alias,
)
from registry.operations.results import OperationResult, replay
from registry.reading.queries import find_model, find_version
from registry.storage.database import Database
from registry.storage.idempotency import stored_answer
from registry.storage.tables import AliasRow, EventRow


def rollback(
    database: Database,
    prepare: Prepare,
    model: str,
    request: PromotionRequest,
    to_version: int | None = None,
    *,
    evaluate_gates: EvaluateGates,
) -> OperationResult:
    """Point the alias at ``to_version``, or at the one before the present one by the history.

    A second rollback goes one further back, not forth. Of the policy's gates those alone are held
    that say whether the version can serve: what is worse than the champion may be better than
    what the champion turned out to be.

    Raises AliasMalformed, ModelNotFound, AliasNotFound, ModelArchived, VersionNotFound,
    VersionNotReady, NothingToRollBackTo, VersionNotLoadable, GateFailed, ChampionMoved,
    ExpectedVersionConflict, IdempotencyKeyReused, and the Unavailable errors.
    """
    check_alias(request.alias)
    with database.read() as session:
        if (answer := stored_answer(session, request.idempotency)) is not None:
            return replay(database, answer)
        find_model(session, model)
        back = _Back.read(session, model, request.alias, to_version)
        version = check_ready(find_version(session, model, str(back.target())))
        inputs = read_gate_inputs(session, version, request.alias).about_loading()
    number = version.number

    def read_again(session: Session) -> GateInputs:
        if back.read_on(session).target() != number:
            raise NothingToRollBackTo.moved(request.alias)
        version = check_ready(find_version(session, model, str(number)))
        return read_gate_inputs(session, version, request.alias).about_loading()

    return move_alias(
        database,
        prepare,
        request,
        inputs,
        event="rolled_back",
        evaluate_gates=evaluate_gates,
        read_again=read_again,
    )


@dataclass(frozen=True, slots=True)
class _Back:
    """Where an alias can go back to.

    ``trail`` are the versions that lie behind it by the events up to ``seq``, the present one last.
    A promotion lays one on top; a rollback takes off what lies above its target; a deletion of the
    alias, or an archived model, takes all. ``named`` is a version that was asked for by its number
    and that the alias once held.
    """

    model: str
    alias: str
    named: int | None
    trail: tuple[int, ...] = ()
    seq: int = 0

    @classmethod
    def read(cls, session: Session, model: str, alias: str, named: int | None) -> "_Back":
        """Raises AliasNotFound, VersionNotFound, NothingToRollBackTo."""
        back = cls(model, alias, named).read_on(session)
        if named is not None:
            find_version(session, model, str(named))
            if not back.held(session, named):
                raise NothingToRollBackTo(alias, named)
        return back

    def read_on(self, session: Session) -> "_Back":
        """As it is after the events since. Raises AliasNotFound."""
        if session.get(AliasRow, (self.model, self.alias)) is None:
            raise AliasNotFound(self.model, self.alias)
        if self.named is not None:
            return self  # that the alias once held it stays true
        later = session.execute(
            select(EventRow.seq, EventRow.type, EventRow.to_version)
            .where(
                EventRow.model == self.model,
                EventRow.seq > self.seq,
                or_(EventRow.alias == self.alias, EventRow.type == "model_archived"),
            )
            .order_by(EventRow.seq)
        ).all()
        trail = list(self.trail)
        for _, kind, version in later:
            if kind in {"model_archived", "alias_deleted"}:
                trail.clear()
            elif kind == "rolled_back" and version in trail[:-1]:
                trail.pop()
                while trail[-1] != version:
                    trail.pop()
            elif version is not None:
                trail.append(version)
        return replace(self, trail=tuple(trail), seq=later[-1].seq if later else self.seq)

    def held(self, session: Session, number: int) -> bool:
        """Whether the alias ever pointed at the version."""
        query = select(EventRow.seq).where(
            EventRow.model == self.model,
            EventRow.alias == self.alias,
            EventRow.to_version == number,
        )
        return session.scalar(query.limit(1)) is not None

    def target(self) -> int:
        """The version to go back to. Raises NothingToRollBackTo."""
        if self.named is not None:
            return self.named
        if len(self.trail) < 2:
            raise NothingToRollBackTo(self.alias)
        return self.trail[-2]
