"""The table of alerts."""

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry.storage.tables import Base, only_where, utc_now

AlertKind = Literal["guard", "held", "rollout", "share", "watch", "webhook"]
ALERT_KINDS: tuple[AlertKind, ...] = get_args(AlertKind)
"""A guard that failed, a rollout that waits for somebody, a rollback of one that cannot be made,
callers that a split loses, a host whose keeper is gone, and a webhook that was switched off."""


class AlertRow(Base):
    """A finding that somebody should look at; ``closed_at`` null: it still holds.

    ``model`` is null where it concerns the whole server. ``subject`` says what it is about within
    its kind, such as an alias. At most one is open for each model, kind and subject; a null is
    distinct from any other in an index, so the alerts of no model have an index of their own.
    """

    __tablename__ = "alerts"
    __table_args__ = (
        Index(
            "uq_alerts_open",
            "model",
            "kind",
            "subject",
            unique=True,
            **only_where("closed_at IS NULL"),
        ),
        Index(
            "uq_alerts_open_of_no_model",
            "kind",
            "subject",
            unique=True,
            **only_where("closed_at IS NULL AND model IS NULL"),
        ),
        Index(None, "model", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str | None] = mapped_column(ForeignKey("models.name"))
    alias: Mapped[str | None] = mapped_column(String(128))
    version: Mapped[int | None]
    kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(400))
    message: Mapped[str] = mapped_column(Text)
    evidence: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime] = mapped_column(default=utc_now)
    closed_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    seen_by: Mapped[str | None] = mapped_column(String(200))
