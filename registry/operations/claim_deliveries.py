"""Take messages that are due, so that no other process sends them meanwhile."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from registry.deliveries.payloads import Happening
from registry.deliveries.urls import parse_url
from registry.storage.database import Database
from registry.storage.tables import EventRow, utc_now
from registry.storage.webhook_tables import DeliveryRow, WebhookRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A message to send, for the time ``attempts``; how its webhook signs: see WebhookRow.

    ``previous_salt``: that of the secret before, if messages are signed with it too.
    """

    delivery_id: int
    webhook_id: int
    message_id: str
    attempts: int
    url: str
    host: str
    salt: bytes
    rotation: int
    key: str
    previous_salt: bytes | None
    happening: Happening


def claim_deliveries(
    database: Database, most: int, busy_hosts: Collection[str], lease: timedelta
) -> Sequence[Claim]:
    """At most ``most`` messages that are due: one for each host, and none for ``busy_hosts``.

    A message is due again after ``lease``, unless ``finish_delivery`` is called before: so one that
    a process was sending when it was killed is sent again.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    with database.read() as session:
        due = _due(session, most, busy_hosts)
    if not due:
        return []
    with database.write(announce=False) as session:
        claims = (_claim(session, delivery_id, lease) for delivery_id in due)
        return [claim for claim in claims if claim is not None]


def _due(session: Session, most: int, busy_hosts: Collection[str]) -> list[int]:
    """The oldest message that is due of each webhook, as far as its host is free."""
    rows = session.execute(
        select(func.min(DeliveryRow.id), WebhookRow.url)
        .join(WebhookRow, WebhookRow.id == DeliveryRow.webhook_id)
        .where(
            DeliveryRow.state == "waiting",
            DeliveryRow.due_at <= utc_now(),
            WebhookRow.disabled_at.is_(None),
        )
        .group_by(WebhookRow.id, WebhookRow.url)
        .order_by(func.min(DeliveryRow.due_at))
    )
    busy, due = set(busy_hosts), list[int]()
    for delivery_id, url in rows:
        host = parse_url(url).host
        if host not in busy and len(due) < most:
            busy.add(host)
            due.append(delivery_id)
    return due


def _claim(session: Session, delivery_id: int, lease: timedelta) -> Claim | None:
    """The message, for this process alone; None if another one took it, or it is gone."""
    now = utc_now()
    taken = session.execute(
        update(DeliveryRow)
        .where(
            DeliveryRow.id == delivery_id,
            DeliveryRow.state == "waiting",
            DeliveryRow.due_at <= now,
        )
        .values(attempts=DeliveryRow.attempts + 1, due_at=now + lease)
        .returning(DeliveryRow.id)
    ).scalar()
    if taken is None:
        return None
    row = session.get_one(DeliveryRow, delivery_id, populate_existing=True)
    webhook = session.get_one(WebhookRow, row.webhook_id)
    if webhook.disabled_at is not None:
        return None
    has_previous = webhook.previous_until is not None and webhook.previous_until > now
    return Claim(
        delivery_id=row.id,
        webhook_id=webhook.id,
        message_id=row.message_id,
        attempts=row.attempts,
        url=webhook.url,
        host=parse_url(webhook.url).host,
        salt=webhook.salt,
        rotation=webhook.rotation,
        key=webhook.key,
        previous_salt=(webhook.previous_salt or webhook.salt) if has_previous else None,
        happening=_happening(session, row),
    )


def _happening(session: Session, row: DeliveryRow) -> Happening:
    if row.seq is None:
        return Happening(seq=None, type=row.event, at=row.created_at)
    event = session.get_one(EventRow, row.seq)
    return Happening(
        seq=event.seq,
        type=event.type,
        at=event.at,
        model=event.model,
        alias=event.alias,
        from_version=event.from_version,
        to_version=event.to_version,
        reason=event.reason,
    )
