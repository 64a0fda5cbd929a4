"""Set the gates that the versions of a model have to pass."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.errors import PolicyConflict
from registry.gates.grammar import parse_all
from registry.gates.policies import check_task
from registry.operations.rows import locked_active_model
from registry.reading.views import View, policy_view
from registry.signature import Signature, Task
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.tables import PolicyRow, VersionRow, utc_now


def set_policy(
    database: Database,
    model: str,
    gates: Sequence[str],
    *,
    expected: Sequence[str] | None = None,
    actor: str,
) -> View:
    """Replace the gates of ``model``; nothing if they are the same.

    ``expected``: the texts of the gates that the caller wants to replace; None: any.

    Raises ModelNotFound, ModelArchived, GateMalformed, GateRefused for a metric that the task of
    the newest ready version does not have, and PolicyConflict if the gates are not the expected
    ones.
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
        if expected is not None and list(expected) != ([] if row is None else row.gates):
            raise PolicyConflict(model, None if row is None else row.updated_by)
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
