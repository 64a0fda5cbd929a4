"""The serving state: what a worker reads from the database to answer predictions.

All of it is read at the start. After that, the events of the history name the models and tokens
that have changed since the last reading, and only those are read again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, select, tuple_
from sqlalchemy.orm import Session, lazyload, load_only

from registry.engines.served_version import Key, ServedVersion
from registry.errors import Unauthenticated
from registry.formats.reading import parse_format
from registry.live.references import Alias, read_references
from registry.names import LATEST
from registry.signature import Signature
from registry.splits.choice import Split
from registry.storage.history import GENESIS, EventType, Head
from registry.storage.tables import (
    EventRow,
    HistoryHeadRow,
    TokenRow,
    VersionRow,
    utc_now,
)
from registry.tokens import Grant, grant_of

_ARCHIVALS: frozenset[EventType] = frozenset({"archived", "model_archived"})
MODEL_EVENTS: frozenset[EventType] = _ARCHIVALS | {
    "registered",
    "promoted",
    "rolled_back",
    "alias_deleted",
    "split_changed",
    "split_ended",
}
"""Events that change which versions of their model may answer, or by which reference."""
TOKEN_EVENTS: frozenset[EventType] = frozenset({"token_created", "token_revoked"})
UNSERVED_EVENTS: frozenset[EventType] = frozenset(
    {
        "model_created",
        "model_updated",
        "upload_reused",
        "version_updated",
        "policy_changed",
        "holdout_changed",
        "holdout_removed",
        "rollout_started",
        "rollout_paused",
        "rollout_resumed",
        "rollout_held",
        "rollout_ended",
        "alert_opened",
        "alert_closed",
        "webhook_created",
        "webhook_changed",
        "webhook_deleted",
    }
)
"""Events that change no row that predictions depend on."""
_UPLOADS: frozenset[EventType] = frozenset({"registered", "upload_reused"})

_UNREAD = Head(-1, GENESIS)
MOST_EVENTS = 500
"""After more new events than this, the whole state is read again."""
_EVENTS_FROM = (
    select(
        EventRow.seq,
        EventRow.hash,
        EventRow.previous_hash,
        EventRow.type,
        EventRow.model,
        EventRow.details,
    )
    .where(EventRow.seq >= bindparam("seq"))
    .order_by(EventRow.seq)
    .limit(MOST_EVENTS + 2)
)
_HEAD = select(HistoryHeadRow.seq, HistoryHeadRow.hash)
_CHUNK = 1000
"""Versions in one query; each takes two of the parameters that a database allows."""
_SERVED_COLUMNS = (
    VersionRow.format,
    VersionRow.sha256,
    VersionRow.size,
    VersionRow.signature,
    VersionRow.input_example,
    VersionRow.compiled,
)


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token that is not revoked."""

    grant: Grant
    expires_at: datetime | None

    def valid_grant(self) -> Grant:
        """What its bearer may do. Raises Unauthenticated where it has expired."""
        if self.expires_at is not None and self.expires_at <= utc_now():
            raise Unauthenticated.invalid()
        return self.grant


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The registry's serving state at one moment. Never changed, only replaced.

    ``head`` is the last event. ``references`` maps model and alias (or ``latest``) to a number.
    ``splits`` has the aliases that are split over several versions; their references are the
    champions. ``aliased`` are the versions that an alias points at, or is split over; ``live`` are
    those and the ready versions that an alias pointed at before its last move.
    """

    head: Head = _UNREAD
    references: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    splits: Mapping[Alias, Split] = field(default_factory=dict)
    aliased: frozenset[Key] = frozenset()
    live: frozenset[Key] = frozenset()
    tokens: Mapping[str, KnownToken] = field(default_factory=dict)

    def aliased_of(self, model: str) -> set[int]:
        """The versions of ``model`` that an alias points at, or is split over."""
        pointed_at = self.references.get(model, {}).items()
        arms = (split.numbers for alias, split in self.splits.items() if alias.model == model)
        return {number for name, number in pointed_at if name != LATEST}.union(*arms)

    def known_token(self, digest: str) -> KnownToken:
        """The token with this digest. Raises Unauthenticated where there is none."""
        known = self.tokens.get(digest)
        if known is None:
            raise Unauthenticated.invalid()
        return known


class Changes(NamedTuple):
    """What the events up to ``head`` name: models whose references or versions changed, those of
    them that have a newly archived version, ids of tokens, and whether bytes were uploaded."""

    head: Head
    models: frozenset[str]
    archived: frozenset[str]
    tokens: frozenset[int]
    uploaded: bool


def read_snapshot(session: Session) -> Snapshot:
    """Read the whole state; the session sees one state of the database throughout."""
    head = last_event(session)
    read = read_references(session, None)
    rows = session.scalars(select(TokenRow).where(TokenRow.revoked_at.is_(None)))
    tokens = {row.digest: _known(row) for row in rows}
    aliased, live = frozenset(read.aliased), frozenset(read.aliased | read.previous)
    return Snapshot(head, read.numbers, read.splits, aliased, live, tokens)


def read_changes(session: Session, since: Head) -> Changes | None:
    """What has changed since the event ``since`` was the last.

    None where the whole state has to be read: it is another history, an event is missing or of a
    type that this release does not know, or there are more than ``MOST_EVENTS``.
    """
    events = session.execute(_EVENTS_FROM, {"seq": since.seq}).all()
    if since != Head(0, GENESIS):
        if not events or Head(events[0].seq, events[0].hash) != since:
            return None
        events = events[1:]
    if len(events) > MOST_EVENTS:
        return None
    head, models, archived, tokens = since, set[str](), set[str](), set[int]()
    for event in events:
        if event.seq != head.seq + 1 or event.previous_hash != head.hash:
            return None
        head = Head(event.seq, event.hash)
        if event.type in MODEL_EVENTS:
            models.add(event.model)
            if event.type in _ARCHIVALS:
                archived.add(event.model)
        elif event.type in TOKEN_EVENTS and "token_id" in event.details:
            tokens.add(event.details["token_id"])
        elif event.type not in UNSERVED_EVENTS:
            return None
    uploaded = any(event.type in _UPLOADS for event in events)
    return Changes(head, frozenset(models), frozenset(archived), frozenset(tokens), uploaded)


def changed_snapshot(session: Session, known: Snapshot, changes: Changes) -> Snapshot:
    """``known`` with what ``changes`` names read again, in the same transaction."""
    references, splits, tokens = known.references, known.splits, known.tokens
    aliased, live = known.aliased, known.live
    if changes.models:
        read = read_references(session, changes.models)
        references = {k: v for k, v in references.items() if k not in changes.models} | read.numbers
        splits = {k: v for k, v in splits.items() if k.model not in changes.models} | read.splits
        aliased = _of_other_models(aliased, changes.models) | read.aliased
        live = _of_other_models(live, changes.models) | read.aliased | read.previous
    if changes.tokens:
        rows = session.scalars(select(TokenRow).where(TokenRow.id.in_(changes.tokens))).all()
        revoked = {row.digest for row in rows if row.revoked_at is not None}
        made = {row.digest: _known(row) for row in rows if row.revoked_at is None}
        tokens = {**{k: v for k, v in tokens.items() if k not in revoked}, **made}
    return Snapshot(changes.head, references, splits, aliased, live, tokens)


def last_event(session: Session) -> Head:
    """The last event, which changes with every write."""
    return Head(*session.execute(_HEAD).one())


def not_ready(session: Session, keys: Iterable[Key]) -> set[Key]:
    """Which of these versions are not ready."""
    gone = set()
    for chunk in _chunks(keys):
        query = select(VersionRow.model, VersionRow.number).where(
            tuple_(VersionRow.model, VersionRow.number).in_(chunk), VersionRow.status != "ready"
        )
        gone |= {(model, number) for model, number in session.execute(query)}
    return gone


def read_versions(session: Session, keys: Iterable[Key]) -> dict[Key, ServedVersion]:
    """What is needed to load these versions; without those that are not ready."""
    found: dict[Key, ServedVersion] = {}
    for chunk in _chunks(keys):
        query = (
            select(VersionRow)
            .where(
                tuple_(VersionRow.model, VersionRow.number).in_(chunk),
                VersionRow.status == "ready",
            )
            .options(load_only(*_SERVED_COLUMNS), lazyload("*"))
        )
        found |= {(row.model, row.number): served_version(row) for row in session.scalars(query)}
    return found


def served_version(row: VersionRow) -> ServedVersion:
    """What the pool needs to load the version."""
    return ServedVersion(
        model=row.model,
        number=row.number,
        format=parse_format(row.format),
        sha256=row.sha256,
        size=row.size,
        signature=Signature.from_json(row.signature),
        input_example=row.input_example,
        compiled=row.compiled,
    )


def _of_other_models(keys: frozenset[Key], models: Collection[str]) -> frozenset[Key]:
    return frozenset(key for key in keys if key[0] not in models)


def _known(row: TokenRow) -> KnownToken:
    return KnownToken(grant_of(row), row.expires_at)


def _chunks(keys: Iterable[Key]) -> Iterable[Sequence[Key]]:
    wanted = list(keys)
    return (wanted[start : start + _CHUNK] for start in range(0, len(wanted), _CHUNK))
