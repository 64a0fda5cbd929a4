"""The append-only record of events, chained by hashes.

Each event's hash covers its fields and the previous hash (a hash chain, as in Haber and Stornetta,
"How to time-stamp a digital document", 1991), and one head row says where the chain ends. So an
edited, removed, swapped or truncated row is detected. Somebody who can rewrite the whole database
can also forge a whole chain; to detect that, store a head elsewhere and pass it to ``verify`` as
the anchor.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.errors import HistoryBroken
from registry.storage.tables import EventRow, HistoryHeadRow, utc_now

EventType = Literal[
    "model_created",
    "model_updated",
    "model_archived",
    "registered",
    "upload_reused",
    "version_updated",
    "archived",
    "promoted",
    "rolled_back",
    "alias_deleted",
    "policy_changed",
    "holdout_changed",
    "holdout_removed",
    "token_created",
    "token_revoked",
    "split_changed",
    "split_ended",
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
]

MOVES: tuple[EventType, ...] = ("promoted", "rolled_back", "alias_deleted")
"""Events that change which version an alias points at. Others may name an alias too."""

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: the number of events and the last one's hash."""

    seq: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Read ``SEQ:HASH``.

        Raises ValueError.
        """
        seq, _, digest = text.partition(":")
        if not (seq.isascii() and seq.isdigit()) or len(digest) != len(GENESIS):
            raise ValueError("expected SEQ:HASH, as 'hotswap history --verify' prints it")
        return cls(int(seq), digest)

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


BEGINNING = Head(0, GENESIS)
_LOCKED_HEAD = select(HistoryHeadRow).with_for_update().execution_options(populate_existing=True)
_PART = 1000


def lock_head(session: Session) -> None:
    """Let one transaction at a time go on, as for an event, until the transaction ends."""
    session.execute(_LOCKED_HEAD)


def record(
    session: Session,
    type_: EventType,
    *,
    actor: str,
    model: str | None = None,
    alias: str | None = None,
    from_version: int | None = None,
    to_version: int | None = None,
    reason: str | None = None,
    details: dict[str, Any] | None = None,
    via: str | None = None,
) -> EventRow:
    """Append an event to the chain, within the caller's write transaction.

    ``via``: the protocol of the request, if it is another system's; it becomes a detail.
    """
    head = session.execute(_LOCKED_HEAD).scalar_one()
    event = EventRow(
        seq=head.seq + 1,
        at=utc_now(),
        type=type_,
        actor=actor,
        reason=reason,
        model=model,
        alias=alias,
        from_version=from_version,
        to_version=to_version,
        details={**(details or {}), **({"via": via} if via else {})},
        previous_hash=head.hash,
    )
    event.hash = event_hash(event)
    head.seq, head.hash = event.seq, event.hash
    session.add(event)
    session.flush()
    return event


def verify(session: Session, anchor: Head | None = None) -> Head:
    """Verify the whole chain and return its head.

    Raises HistoryBroken with the first event that is wrong; also where the event at ``anchor`` has
    another hash.
    """
    last, ended = BEGINNING, False
    while not ended:
        last, ended = verify_part(session, last, _PART, anchor)
    return last


def verify_part(
    session: Session, last: Head, most: int, anchor: Head | None = None
) -> tuple[Head, bool]:
    """Verify at most ``most`` events after ``last``; the last of them, and whether the chain ends
    there. Parts may be read in transactions of their own, since events are only ever added.

    Raises HistoryBroken as ``verify``.
    """
    query = select(EventRow).order_by(EventRow.seq).limit(most)
    if last.seq:
        query = query.where(EventRow.seq > last.seq)
    events = session.scalars(query).all()
    for event in events:
        last = _next(event, last)
        if anchor is not None and anchor.seq == last.seq and anchor != last:
            raise HistoryBroken(
                f"Event {event.seq} is not the one that the anchor names.", event.seq
            )
    if len(events) == most:
        return last, False
    _check_end(session, last, anchor)
    return last, True


def _check_end(session: Session, last: Head, anchor: Head | None) -> None:
    """Raises HistoryBroken unless the chain ends at ``last``, and not before ``anchor``."""
    head = session.execute(select(HistoryHeadRow)).scalar_one_or_none()
    if head is None or Head(head.seq, head.hash) != last:
        named = "is missing" if head is None else f"is at event {head.seq}"
        message = f"The history ends at event {last.seq}, but its head {named}."
        same_length = head is not None and head.seq == last.seq
        shorter = last.seq if head is None else min(head.seq, last.seq)
        raise HistoryBroken(message, shorter if same_length else shorter + 1)
    if anchor is not None and anchor.seq > last.seq:
        raise HistoryBroken(
            f"The history ends at event {last.seq}, before the anchor's.", last.seq + 1
        )


def _next(event: EventRow, last: Head) -> Head:
    """The head after ``event``. Raises HistoryBroken unless it follows ``last``."""
    if event.seq != last.seq + 1:
        raise HistoryBroken(
            f"Event {last.seq + 1} is missing; the next is {event.seq}.", last.seq + 1
        )
    if event.previous_hash != last.hash:
        raise HistoryBroken(f"Event {event.seq} does not follow event {last.seq}.", event.seq)
    if event.hash != event_hash(event):
        raise HistoryBroken(f"Event {event.seq} was changed after it was written.", event.seq)
    return Head(event.seq, event.hash)


def event_hash(event: EventRow) -> str:
    """SHA-256 of the event's fields in canonical JSON, the previous hash among them."""
    fields = [
        event.seq,
        _timestamp(event.at),
        event.type,
        event.actor,
        event.reason,
        event.model,
        event.alias,
        event.from_version,
        event.to_version,
        event.details,
        event.previous_hash,
    ]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _timestamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
