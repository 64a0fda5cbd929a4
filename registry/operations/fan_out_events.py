"""Create the messages about new events of the history.

The history is the outbox: an event is in it if and only if its change was committed, so every event
has its messages, at some time, and what was rolled back has none.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.deliveries.messages import new_message
from registry.deliveries.patterns import covers_event, covers_model, event_name
from registry.storage.database import Database
from registry.storage.tables import EventRow, HistoryHeadRow
from registry.storage.webhook_tables import FanOutRow, WebhookRow

_MOST_EVENTS = 500


def fan_out_events(database: Database) -> bool:
    """Create the messages about the next events, each once; True if there may be more events.

    The position in the history moves in the same transaction. Safe with several processes.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    with database.read() as session:
        if _beginning(session) is None:
            return False
    with database.write(announce=False) as session:
        # Another process waits here and then finds that nothing is left to do.
        position = session.get_one(FanOutRow, 1, with_for_update=True)
        beginning = _beginning(session)
        if beginning is None:
            return False
        # The events before the webhooks: one of them may be what created a webhook.
        events = session.scalars(
            select(EventRow)
            .where(EventRow.seq > beginning)
            .order_by(EventRow.seq)
            .limit(_MOST_EVENTS)
        ).all()
        webhooks = session.scalars(select(WebhookRow).where(WebhookRow.disabled_at.is_(None))).all()
        for event in events:
            name = event_name(event.type)
            session.add_all(
                new_message(webhook.id, event.seq, name, event.model)
                for webhook in webhooks
                if _receives(webhook, event, name)
            )
        if events:
            position.seq = events[-1].seq
        return len(events) == _MOST_EVENTS


def _beginning(session: Session) -> int | None:
    """The event after which to begin; None if there is nothing to do."""
    since = session.scalar(
        select(func.min(WebhookRow.since_seq)).where(WebhookRow.disabled_at.is_(None))
    )
    if since is None:
        return None
    beginning = max(since, session.get_one(FanOutRow, 1).seq)
    head = session.scalar(select(HistoryHeadRow.seq)) or 0
    return beginning if head > beginning else None


def _receives(webhook: WebhookRow, event: EventRow, name: str) -> bool:
    return (
        event.seq > webhook.since_seq
        and covers_event(webhook.events, name)
        and covers_model(webhook.models, event.model)
    )
