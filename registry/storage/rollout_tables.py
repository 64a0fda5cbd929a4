"""The tables of rollouts."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry.storage.tables import Base, only_where, utc_now

ROLLOUT_STATES = (
    *("running", "paused", "held", "baking"),
    *("promoted", "aborted", "rolled_back", "ended"),
)


class RolloutRow(Base):
    """A rollout of ``version`` to the alias, which pointed at ``champion``. Of each alias at most
    one has not ended.

    ``plan``, ``state``, ``blocked``, ``step`` and ``evidence`` are as in ``registry.rollouts``;
    ``reason`` is why it is in this state. ``revision`` increases with each of its changes, but not
    with new evidence, and goes on from the last one of the alias's rollout before. ``evidence_at``
    is when somebody last looked at the counts. ``forced``: it was started with force.
    """

    __tablename__ = "rollouts"
    __table_args__ = (
        ForeignKeyConstraint(["model", "version"], ["versions.model", "versions.number"]),
        ForeignKeyConstraint(["model", "champion"], ["versions.model", "versions.number"]),
        CheckConstraint(f"state IN {ROLLOUT_STATES}", name="state_known"),
        Index(None, "model", "alias", "id"),
        Index(
            "uq_rollouts_active",
            "model",
            "alias",
            unique=True,
            **only_where("ended_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(ForeignKey("models.name"))
    alias: Mapped[str] = mapped_column(String(128))
    version: Mapped[int]
    champion: Mapped[int]
    plan: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(20))
    blocked: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str] = mapped_column(Text)
    step: Mapped[int] = mapped_column(default=0)
    step_began_at: Mapped[datetime]
    deadline_at: Mapped[datetime]
    evidence: Mapped[dict[str, Any]]
    evidence_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(default=1)
    forced: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    created_by: Mapped[str] = mapped_column(String(200))
    ended_at: Mapped[datetime | None]
    cooldown_until: Mapped[datetime | None]


class RolloutCountsRow(Base):
    """What a host's server has counted for a rollout, where the hosts share a database: whoever
    decides reads the counts of the others here.

    ``first``: what it had counted when the rollout began; null: that is unknown.
    """

    __tablename__ = "rollout_counts"

    rollout: Mapped[int] = mapped_column(ForeignKey("rollouts.id"), primary_key=True)
    server: Mapped[str] = mapped_column(String(200), primary_key=True)
    totals: Mapped[dict[str, Any]]
    first: Mapped[dict[str, Any] | None]
    at: Mapped[datetime]


class LeaseRow(Base):
    """Who does a task that only one of several hosts may do, until ``expires``.

    ``epoch`` increases with each change of the holder.
    """

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(200))
    epoch: Mapped[int]
    expires: Mapped[datetime]
