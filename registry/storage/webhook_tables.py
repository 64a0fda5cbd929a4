"""The tables of webhooks and of the messages that they receive."""

from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from registry.storage.tables import Base, utc_now

DELIVERY_STATES = ("waiting", "delivered", "failed")


class WebhookRow(Base):
    """An address that messages about events are sent to.

    ``events`` and ``models`` are glob patterns; null: every model. It receives the events after
    ``since_seq``. Its secret is computed from ``salt``, ``rotation`` and the key whose fingerprint
    is ``key``, which is in a file; until ``previous_until`` messages are signed with the secret
    before the last rotation too, of ``previous_salt`` (null: ``salt``, which earlier releases kept)
    and the rotation before. ``failing_since``: the first failure after the last success or
    pause.
    """

    __tablename__ = "webhooks"
    # The id of a deleted webhook, which the history names, is not used again.
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    events: Mapped[list[str]]
    models: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    since_seq: Mapped[int] = mapped_column(BigInteger)
    salt: Mapped[bytes] = mapped_column(LargeBinary(16))
    rotation: Mapped[int] = mapped_column(default=0)
    key: Mapped[str] = mapped_column(String(16))
    previous_salt: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    previous_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    created_by: Mapped[str] = mapped_column(String(200))
    failing_since: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_why: Mapped[str | None] = mapped_column(String(300))


class DeliveryRow(Base):
    """A message to a webhook, about the event ``seq``; null: a test.

    ``message_id`` stays the same however often it is sent. ``due_at``: when it is sent next, where
    its state is ``waiting``; while it is being sent, when it would be sent again.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="state_is_known"),
        Index(None, "webhook_id", "id"),
        Index(None, "state", "due_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id"))
    message_id: Mapped[str] = mapped_column(String(40), unique=True)
    seq: Mapped[int | None] = mapped_column(ForeignKey("history.seq"))
    event: Mapped[str] = mapped_column(String(40))
    model: Mapped[str | None] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(20), default="waiting")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    due_at: Mapped[datetime] = mapped_column(default=utc_now)
    attempts: Mapped[int] = mapped_column(default=0)
    last_at: Mapped[datetime | None]
    last_status: Mapped[int | None]
    last_error: Mapped[str | None] = mapped_column(String(300))


class DeliveryCountRow(Base):
    """How many attempts to send a message have had this ``result``, of all webhooks ever.

    There is a row for each result.
    """

    __tablename__ = "delivery_counts"

    result: Mapped[str] = mapped_column(String(20), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class FanOutRow(Base):
    """The last event of which the messages have been created, in its one row."""

    __tablename__ = "fan_outs"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
