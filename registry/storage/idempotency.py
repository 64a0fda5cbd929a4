"""Idempotency keys: a repeated request gets the stored answer of the first one.

The answer is stored in the transaction that did the work, so a crash leaves both or neither.
Source of the protocol: the IETF draft "The Idempotency-Key HTTP Header Field".
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from registry.errors import IdempotencyKeyMalformed, IdempotencyKeyReused
from registry.storage.tables import IdempotencyKeyRow, utc_now

KEPT = timedelta(hours=24)
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's key, and the fingerprint of the request that it was sent with."""

    token_id: int
    key: str
    fingerprint: str

    def __post_init__(self) -> None:
        if not (0 < len(self.key) <= _LONGEST and self.key.isascii() and self.key.isprintable()):
            raise IdempotencyKeyMalformed


def stored_answer(session: Session, request: Idempotency | None) -> dict[str, Any] | None:
    """The stored answer of this request; None where there is none.

    Raises IdempotencyKeyReused where the key was used for another request.
    """
    if request is None:
        return None
    row = session.get(IdempotencyKeyRow, (request.token_id, request.key))
    if row is None or row.created_at < utc_now() - KEPT:
        return None
    if row.fingerprint != request.fingerprint:
        raise IdempotencyKeyReused
    return row.answer


def store_answer(session: Session, request: Idempotency | None, answer: dict[str, Any]) -> None:
    """Store ``answer`` for 24 hours, and delete older answers.

    Raises IdempotencyKeyReused where another request used the key at the same time.
    """
    if request is None:
        return
    session.execute(
        delete(IdempotencyKeyRow).where(IdempotencyKeyRow.created_at < utc_now() - KEPT)
    )
    session.add(
        IdempotencyKeyRow(
            token_id=request.token_id,
            key=request.key,
            fingerprint=request.fingerprint,
            answer=answer,
        )
    )
    try:
        session.flush()
    except IntegrityError as error:
        raise IdempotencyKeyReused from error
