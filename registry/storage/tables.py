"""The tables of the database.

A model's name and a version's number are their keys, which never change.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, lazyload, mapped_column, relationship
from sqlalchemy.orm import registry as orm_registry

STATUSES = ("pending", "ready", "failed", "archived")
HOLDOUT_FORMATS = ("parquet", "csv")
EPOCH = "1970-01-01 00:00:00"
"""The time of a row that was written without one."""
WITHOUT_RELATED = (lazyload("*"),)
"""The options of a query for rows alone: tags, metrics and aliases are read when they are used,
with a query each. Views use all of them, changes and predictions few."""


class UtcDateTime(TypeDecorator[datetime]):
    """Times in UTC: aware in Python, also where the database (SQLite) stores no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy calls it with the dialect
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the same
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc_now() -> datetime:
    """The present time, truncated to milliseconds, which every database stores exactly."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Base(DeclarativeBase):
    # Given as one registry, not as two attributes, so that Flask-SQLAlchemy can build on this Base.
    registry = orm_registry(
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={
            datetime: UtcDateTime,
            dict[str, Any]: JSON,
            list[str]: JSON,
        },
    )


class ModelRow(Base):
    """A registered model. ``last_number`` only grows, so that no number is used twice.

    ``name_key`` orders models the same way on every database, whatever its locale. ``updated_at``
    is when the model was created, its description changed, or a version was added or archived last.
    """

    __tablename__ = "models"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    name_key: Mapped[str] = mapped_column(
        String(128).with_variant(String(128, collation="C"), "postgresql"), unique=True
    )
    description: Mapped[str] = mapped_column(Text, default="")
    last_number: Mapped[int] = mapped_column(default=0)
    generation: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    created_by: Mapped[str] = mapped_column(String(200))
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=EPOCH)
    archived_at: Mapped[datetime | None]

    tags: Mapped[list["ModelTagRow"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="ModelTagRow.key"
    )
    aliases: Mapped[list["AliasRow"]] = relationship(
        lazy="selectin", order_by="AliasRow.name", viewonly=True
    )


class ModelTagRow(Base):
    __tablename__ = "model_tags"
    __table_args__ = (Index(None, "key", "value"),)

    model: Mapped[str] = mapped_column(ForeignKey("models.name"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    value: Mapped[str] = mapped_column(String(1000))


class VersionRow(Base):
    """A model version. Only its description, its tags and its status ever change.

    ``compiled`` has the SHA-256 of each compiled form by its name; if empty, scikit-learn serves.
    ``training_rows_sha256``: the hashes of the rows that it was trained on; null: unknown.
    ``files_sha256``: the other files of the model directory that it was made of; null: of none.
    ``updated_at`` is when it was registered, or its description changed last. ``source`` and
    ``run_id`` are what a client of MLflow says of its origin; null and empty: no such client made
    it.
    """

    __tablename__ = "versions"
    __table_args__ = (
        CheckConstraint("number >= 1", name="number_from_one"),
        CheckConstraint(f"status IN {STATUSES}", name="status_known"),
        Index(None, "sha256"),
        Index(None, "status", "model", "number"),
        Index(None, "run_id"),
    )

    model: Mapped[str] = mapped_column(ForeignKey("models.name"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(20))
    failure: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(20))
    task: Mapped[str] = mapped_column(String(20))
    description: Mapped[str] = mapped_column(Text, default="")
    params: Mapped[dict[str, Any]]
    signature: Mapped[dict[str, Any]]
    input_example: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    format: Mapped[str] = mapped_column(String(20))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    engine: Mapped[dict[str, Any]]
    compiled: Mapped[dict[str, Any]] = mapped_column(default=dict)
    training_rows_sha256: Mapped[str | None] = mapped_column(String(64))
    files_sha256: Mapped[str | None] = mapped_column(String(64))
    lineage: Mapped[dict[str, Any]]
    environment: Mapped[dict[str, Any]]
    evaluation: Mapped[dict[str, Any]] = mapped_column(deferred=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    created_by: Mapped[str] = mapped_column(String(200))
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=EPOCH)
    archived_at: Mapped[datetime | None]
    source: Mapped[str | None] = mapped_column(Text)
    run_id: Mapped[str] = mapped_column(String(128), default="", server_default="")

    tags: Mapped[list["VersionTagRow"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="VersionTagRow.key"
    )
    metrics: Mapped[list["MetricRow"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="MetricRow.name"
    )
    aliases: Mapped[list["AliasRow"]] = relationship(
        primaryjoin="and_(VersionRow.model == foreign(AliasRow.model), "
        "VersionRow.number == foreign(AliasRow.number))",
        lazy="selectin",
        order_by="AliasRow.name",
        viewonly=True,
    )


class VersionTagRow(Base):
    __tablename__ = "version_tags"
    __table_args__ = (
        ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"]),
        Index(None, "key", "value"),
    )

    model: Mapped[str] = mapped_column(String(128), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    value: Mapped[str] = mapped_column(String(1000))


class MetricRow(Base):
    __tablename__ = "metrics"
    __table_args__ = (
        ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"]),
        # The name first: an index that begins with the model would be used to find the metrics of a
        # few versions, and then all of the model's be read.
        Index(None, "name", "model", "value", "number"),
    )

    model: Mapped[str] = mapped_column(String(128), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    value: Mapped[float] = mapped_column(Float(53))


class AliasRow(Base):
    """A movable name of one version. The foreign keys make sure that the version exists.

    ``split_by``: requests for it are split over the versions of its ``AliasArmRow``, by what
    ``registry.splits.choice`` says; ``number`` is the champion among them, and ``split_salt`` the
    key of the hash that chooses. Null: ``number`` answers all.

    ``previous_number`` is the version before its last move; workers keep it loaded, so that a
    rollback loads nothing.
    """

    __tablename__ = "aliases"
    __table_args__ = (
        ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"]),
        ForeignKeyConstraint(["model", "previous_number"], ["versions.model", "versions.number"]),
    )

    model: Mapped[str] = mapped_column(ForeignKey("models.name"), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    number: Mapped[int]
    previous_number: Mapped[int | None]
    split_by: Mapped[str | None] = mapped_column(String(20))
    split_salt: Mapped[bytes | None] = mapped_column(LargeBinary(16))


class PolicyRow(Base):
    """The gates that a version of the model has to pass before an alias may point at it."""

    __tablename__ = "policies"

    model: Mapped[str] = mapped_column(ForeignKey("models.name"), primary_key=True)
    gates: Mapped[list[str]]
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_by: Mapped[str] = mapped_column(String(200))


class VerdictRow(Base):
    """The last outcome of the gates of a version that would be promoted under ``alias``.

    It holds as long as the alias points at ``champion`` (null: at nothing), the policy has
    ``gates``, and ``holdout`` is the SHA-256 of the holdout in use (null: there is none).
    """

    __tablename__ = "verdicts"
    __table_args__ = (
        ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"]),
        Index(None, "model", "evaluated_at"),
    )

    model: Mapped[str] = mapped_column(String(128), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    alias: Mapped[str] = mapped_column(String(128), primary_key=True)
    champion: Mapped[int | None]
    gates: Mapped[list[str]]
    holdout: Mapped[str | None] = mapped_column(String(64))
    outcome: Mapped[dict[str, Any]]
    evaluated_at: Mapped[datetime] = mapped_column(default=utc_now)


class HoldoutRow(Base):
    """A holdout that the model's versions are measured on. Rows are added; only ``removed_at`` and
    ``removed_by`` ever change: the row without them is in use.

    ``table_rows`` and ``columns`` describe its data.
    """

    __tablename__ = "holdouts"
    __table_args__ = (
        CheckConstraint("number >= 1", name="number_from_one"),
        CheckConstraint(f"format IN {HOLDOUT_FORMATS}", name="format_known"),
        Index(None, "sha256"),
    )

    model: Mapped[str] = mapped_column(ForeignKey("models.name"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    format: Mapped[str] = mapped_column(String(20))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    table_rows: Mapped[int]
    columns: Mapped[list[str]]
    target: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    created_by: Mapped[str] = mapped_column(String(200))
    removed_at: Mapped[datetime | None]
    removed_by: Mapped[str | None] = mapped_column(String(200))


class TokenRow(Base):
    """An API token; only the SHA-256 of its value is stored.

    ``models`` holds glob patterns; null: every model. ``kind`` says whether a person or a program
    uses it. ``last_used_at`` is up to five minutes older than its last use.
    """

    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(20), default="program", server_default="program")
    scopes: Mapped[list[str]]
    models: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    created_by: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class SessionRow(Base):
    """A session of the console: somebody who signed in with a token.

    Only the SHA-256 of the cookie is stored. The session ends at ``expires_at`` at the latest;
    earlier if it is not used, or when its token is no longer valid.
    """

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "token_id"),)

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    seen_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime]


def only_where(condition: str) -> dict[str, Any]:
    """What makes an ``Index`` one of the rows for which ``condition`` holds.

    Migrations create the indexes, with the same condition on PostgreSQL, and a test compares them.
    To state it for PostgreSQL here too would load its dialect in every process, which takes 40 ms.
    """
    return {"sqlite_where": text(condition)}


class EventRow(Base):
    """An event. Rows are added, never changed; ``hash`` chains them."""

    __tablename__ = "history"
    __table_args__ = (
        Index(None, "model", "seq"),
        Index(None, "model", "alias", "seq"),
        # The moves to a version, and those from it.
        Index(None, "model", "to_version", "seq", **only_where("alias IS NOT NULL")),
        Index(None, "model", "from_version", "seq", **only_where("alias IS NOT NULL")),
    )

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    type: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(ForeignKey("models.name"))
    alias: Mapped[str | None] = mapped_column(String(128))
    from_version: Mapped[int | None]
    to_version: Mapped[int | None]
    details: Mapped[dict[str, Any]]
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class TrafficRow(Base):
    """Predictions of a version in the minute or hour (``seconds``: 60 or 3600) from ``start`` on,
    by the alias that was requested, which is empty for the version's number.

    ``times`` has the number of answered ones by duration: ``registry.watching.traffic``.
    """

    __tablename__ = "traffic"
    __table_args__ = (Index(None, "seconds", "start"),)

    model: Mapped[str] = mapped_column(String(128), primary_key=True)
    seconds: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    start: Mapped[datetime] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    alias: Mapped[str] = mapped_column(String(128), primary_key=True)
    refused: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)
    times: Mapped[bytes] = mapped_column(LargeBinary)


class HistoryHeadRow(Base):
    """The end of the chain. Its one row makes truncation detectable and orders the writers."""

    __tablename__ = "history_head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))


class HistoryCheckRow(Base):
    """The outcome of the last check of the chain, in its one row.

    The events up to ``seq`` were as they had been written; ``broken_seq``: the first that was not.
    The last check without a fault ended at the event ``anchor_seq``. All events were verified last
    at ``whole_at``; since then those that had been added.
    """

    __tablename__ = "history_checks"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    seq: Mapped[int] = mapped_column(BigInteger)
    broken_seq: Mapped[int | None] = mapped_column(BigInteger)
    anchor_seq: Mapped[int | None] = mapped_column(BigInteger)
    anchor_hash: Mapped[str | None] = mapped_column(String(64))
    whole_at: Mapped[datetime | None]


class IdempotencyKeyRow(Base):
    """The answer to a request with an Idempotency-Key."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "created_at"),)

    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
