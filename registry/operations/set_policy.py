"""Set the gates that the versions of a model have to pass."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.gates.grammar import parse_all
from registry.gates.policies import check_task
from registry.operations.rows import locked_active_model
from registry.reading.views import View, policy_view
from registry.signature import Signature, Task
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.tables import PolicyRow, VersionRow, utc_now


def set_policy(database: Database, model: str, gates: Sequence[str], *, actor: str) -> View:
    """Replace the gates of ``model``; nothing if they are the same.

    Raises ModelNotFound, ModelArchived, GateMalformed, and GateRefused for a metric that the task
    of the newest ready version does not have.
    """
    parsed = parse_all(gates)
    texts = [gate.text for gate in parsed]
    with database.write() as session:
        locked_active_model(session, model)
        if (task := _task(session, model)) is not None:
            check_task(parsed, task)
        row = session.get(PolicyRow, model, populate_existing=True)
        if row is not None and row.gates == texts:
            return policy_view(row)
        if row is None:
            row = PolicyRow(model=model)
            session.add(row)
        row.gates, row.updated_by, row.updated_at = texts, actor, utc_now()
        record(session, "policy_changed", actor=actor, model=model, details={"gates": texts})
        return policy_view(row)


def _task(session: Session, model: str) -> Task | None:
    """The task of the newest ready version; None where there is none."""
    newest = session.scalar(
        select(VersionRow.signature)
        .where(VersionRow.model == model, VersionRow.status == "ready")
        .order_by(VersionRow.number.desc())
        .limit(1)
    )
    return None if newest is None else Signature.from_json(newest).task
