"""The tables of splits: which versions answer the requests for an alias, and what was counted."""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.splits.buckets import BUCKETS
from registry.storage.tables import Base


class AliasArmRow(Base):
    """One of the versions that an alias is split over; ``AliasRow.split_by`` is set where there are
    any.

    ``weight`` is in basis points; those of an alias sum up to 10,000. ``ranges`` are the version's
    buckets, as many as its weight: ``registry.splits.buckets``.
    """

    __tablename__ = "alias_arms"
    __table_args__ = (
        ForeignKeyConstraint(["model", "alias"], ["aliases.model", "aliases.name"]),
        ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"]),
        CheckConstraint(f"weight >= 0 AND weight <= {BUCKETS}", name="weight_is_share"),
    )

    model: Mapped[str] = mapped_column(String(128), primary_key=True)
    alias: Mapped[str] = mapped_column(String(128), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    weight: Mapped[int]
    ranges: Mapped[list[list[int]]] = mapped_column(JSON)


class SplitCountsRow(Base):
    """What a host's server has counted of the keys of a split, where hosts share a database: each
    shows the sum of all.

    ``split`` names the split with its weights, ``content`` is
    ``registry.watching.key_counts.KeyCounts``.
    """

    __tablename__ = "split_counts"
    __table_args__ = (Index(None, "at"),)

    model: Mapped[str] = mapped_column(String(128), primary_key=True)
    alias: Mapped[str] = mapped_column(String(128), primary_key=True)
    server: Mapped[str] = mapped_column(String(200), primary_key=True)
    split: Mapped[str] = mapped_column(String(16))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime]
