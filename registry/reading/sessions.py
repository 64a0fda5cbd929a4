"""Finds the session of the console that a cookie belongs to."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.storage.tables import SessionRow, TokenRow, utc_now


@dataclass(frozen=True, slots=True)
class FoundSession:
    """A session that has not ended; ``token_digest`` is that of the token, valid or not."""

    digest: str
    token_digest: str
    seen_at: datetime


def session_digest(cookie: str) -> str:
    """What is stored of a cookie. It has 256 random bits, so a plain SHA-256 is sufficient."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()


def find_session(session: Session, cookie: str, idle: timedelta) -> FoundSession | None:
    """The session of this cookie; None if there is none, or it was not used for ``idle``."""
    now = utc_now()
    row = session.execute(
        select(SessionRow.digest, SessionRow.seen_at, TokenRow.digest)
        .join(TokenRow, TokenRow.id == SessionRow.token_id)
        .where(
            SessionRow.digest == session_digest(cookie),
            SessionRow.expires_at > now,
            SessionRow.seen_at > now - idle,
        )
    ).one_or_none()
    return None if row is None else FoundSession(digest=row[0], seen_at=row[1], token_digest=row[2])
