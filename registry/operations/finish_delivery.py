"""Record how an attempt to send a message has ended."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from registry.deliveries.retries import PAUSE, SWITCHED_OFF_AFTER, retry_delay
from registry.deliveries.sending import Outcome
from registry.operations.change_webhook import alert_subject, mark_disabled
from registry.operations.claim_deliveries import Claim
from registry.operations.open_alert import open_alert
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.tables import utc_now
from registry.storage.webhook_tables import DeliveryCountRow, DeliveryRow, WebhookRow

KEPT = timedelta(days=30)
"""How long messages are kept in the list after the last attempt."""
GONE = "The receiver answered with the status 410, which asks for no more messages."
FAILED_LONG = "Every message has failed for five days."
_ACTOR = "hotswap"
_MOST_FORGOTTEN = 1000


def finish_delivery(
    database: Database, claim: Claim, outcome: Outcome, random: Callable[[], float]
) -> str | None:
    """Record the outcome; the message waits for its next attempt, or has ended.

    Why the webhook was disabled, if it was: it is gone, or has failed for five days without a pause
    of two days. Nothing is recorded where the webhook was deleted meanwhile.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    with database.write(announce=False) as session:
        why = _finish(session, claim, outcome, random)
    if why is None:
        return None
    # In a transaction of its own, since it is an event, which is announced to every worker.
    with database.write() as session:
        webhook = session.get(WebhookRow, claim.webhook_id, with_for_update=True)
        if webhook is None or webhook.disabled_at is not None:
            return None
        mark_disabled(session, webhook, why)
        details = {"webhook_id": webhook.id, "changes": {"enabled": False}}
        record(session, "webhook_changed", actor=_ACTOR, reason=why, details=details)
        message = f"The webhook {webhook.id} was switched off. {why}"
        open_alert(session, "webhook", alert_subject(webhook.id), message, actor=_ACTOR)
    return why


def forget_deliveries(database: Database) -> None:
    """Delete a part of the messages that ended more than 30 days ago.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    old = (
        select(DeliveryRow.id)
        .where(DeliveryRow.state != "waiting", DeliveryRow.due_at < utc_now() - KEPT)
        .limit(_MOST_FORGOTTEN)
    )
    with database.read() as session:
        found = session.scalars(old).all()
    if found:
        with database.write(announce=False) as session:
            session.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(found)))


def _finish(
    session: Session, claim: Claim, outcome: Outcome, random: Callable[[], float]
) -> str | None:
    """Why the webhook has to be disabled; None if it need not be."""
    _count(session, outcome.result)
    # In this order, as where the webhook is disabled or deleted.
    webhook = session.get(WebhookRow, claim.webhook_id, with_for_update=True)
    row = session.get(DeliveryRow, claim.delivery_id, with_for_update=True)
    if row is None or webhook is None:
        return None
    now = utc_now()
    has_paused = not _was_tried_since(session, webhook.id, now - PAUSE)
    row.last_at, row.last_status, row.last_error = now, outcome.status, _shortened(outcome.error)
    row.due_at = now
    if outcome.result == "delivered":
        row.state, webhook.failing_since = "delivered", None
        return None
    if webhook.failing_since is None or has_paused:
        webhook.failing_since = now
    delay = retry_delay(claim.attempts, random, outcome.retry_after)
    if outcome.result == "gone" or delay is None or webhook.disabled_at is not None:
        row.state = "failed"
    else:
        row.due_at = now + delay
    return _why_disabled(outcome, webhook.failing_since, now)


def _was_tried_since(session: Session, webhook_id: int, moment: datetime) -> bool:
    """Whether a message to the webhook was sent, or tried to be, at ``moment`` or later."""
    query = (
        select(DeliveryRow.id)
        .where(DeliveryRow.webhook_id == webhook_id, DeliveryRow.last_at >= moment)
        .order_by(DeliveryRow.id.desc())
        .limit(1)
    )
    return session.scalar(query) is not None


def _why_disabled(outcome: Outcome, failing_since: datetime, now: datetime) -> str | None:
    if outcome.result == "gone":
        return GONE
    return FAILED_LONG if now - failing_since >= SWITCHED_OFF_AFTER else None


def _count(session: Session, result: str) -> None:
    counted = update(DeliveryCountRow).where(DeliveryCountRow.result == result)
    session.execute(counted.values(count=DeliveryCountRow.count + 1))


def _shortened(error: str | None) -> str | None:
    return None if error is None else error[:300]
