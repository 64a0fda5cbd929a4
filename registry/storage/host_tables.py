"""The tables of hosts that share a database, and of what they store outside of it."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.storage.tables import Base, utc_now


class HostRow(Base):
    """A host: one run folder on one machine, with its workers.

    ``incarnation`` is a random number, another one at each start. ``beats`` begins with
    a random number and grows each time that the host is present, and ``lease_ms`` is how long it
    may answer after each time; ``seen_at`` is the last time and ``expires`` the end of that lease,
    by the database's clock. ``acked_seq`` is the
    last event that every worker answers by, or will read before its next answer. The state
    ``alone``: it follows no other host.
    """

    __tablename__ = "hosts"
    __table_args__ = (
        CheckConstraint("state IN ('joining', 'live', 'leaving', 'alone')", name="state_is_known"),
    )

    host: Mapped[str] = mapped_column(String(128), primary_key=True)
    incarnation: Mapped[int] = mapped_column(BigInteger)
    release: Mapped[str] = mapped_column(String(40))
    workers: Mapped[int]
    state: Mapped[str] = mapped_column(String(20))
    beats: Mapped[int] = mapped_column(BigInteger)
    lease_ms: Mapped[int] = mapped_column(BigInteger)
    expires: Mapped[datetime]
    acked_seq: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[datetime]


class PromotionRow(Base):
    """A version that hosts are requested to load before an alias may point at it.

    ``created_at``: when that began, or when its promoter last said that it goes on.
    """

    __tablename__ = "promotions"
    __table_args__ = (
        CheckConstraint(
            "state IN ('preparing', 'committed', 'failed', 'abandoned')", name="state_is_known"
        ),
        Index(None, "state", "created_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(String(128))
    number: Mapped[int]
    by_host: Mapped[str] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class PromotionHostRow(Base):
    """The answer of one host, in one of its incarnations, to a promotion."""

    __tablename__ = "promotion_hosts"
    __table_args__ = (CheckConstraint("state IN ('ready', 'failed')", name="state_is_known"),)

    promotion: Mapped[int] = mapped_column(ForeignKey("promotions.id"), primary_key=True)
    host: Mapped[str] = mapped_column(String(128), primary_key=True)
    incarnation: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(20))
    fault: Mapped[str | None] = mapped_column(String(1000))


class BlobRow(Base):
    """Where the bytes with this hash are in an object store."""

    __tablename__ = "blobs"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(1024))
    size: Mapped[int] = mapped_column(BigInteger)


class UploadedFileRow(Base):
    """A file that a token, its ``owner``, has uploaded to a directory, at ``path`` in it.

    The object ``key`` of the bucket has the bytes, and nothing else uses that object.
    ``arrived_at`` is by the database's clock. The path is part of no index, which would limit its
    length.
    """

    __tablename__ = "uploaded_files"
    __table_args__ = (Index(None, "owner", "directory"),)

    key: Mapped[str] = mapped_column(String(1024), primary_key=True)
    owner: Mapped[int] = mapped_column(ForeignKey("tokens.id"))
    directory: Mapped[str] = mapped_column(String(200))
    path: Mapped[str] = mapped_column(String(1000))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    arrived_at: Mapped[datetime]
