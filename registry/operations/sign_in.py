"""Begin a session of the console. The value of its cookie is returned once, to the caller."""

import secrets
from datetime import timedelta

from sqlalchemy import delete, or_

from registry.errors import TokenNotFound
from registry.reading.sessions import session_digest
from registry.storage.database import Database
from registry.storage.tables import SessionRow, TokenRow, utc_now

LONGEST = timedelta(days=7)


def sign_in(database: Database, token_id: int, idle: timedelta, replaced: str = "") -> str:
    """The cookie of a new session of the token, which the caller has checked.

    It lasts for ``LONGEST``, and no longer than the token. The session of the cookie ``replaced``
    ends, and what is left of sessions that ended by themselves is deleted.

    Raises TokenNotFound.
    """
    cookie = secrets.token_urlsafe(32)
    now = utc_now()
    with database.write(announce=False) as session:
        token = session.get(TokenRow, token_id)
        if token is None:
            raise TokenNotFound(token_id)
        session.execute(
            delete(SessionRow).where(
                or_(
                    SessionRow.expires_at <= now,
                    SessionRow.seen_at <= now - idle,
                    SessionRow.digest == session_digest(replaced),
                )
            )
        )
        last = now + LONGEST
        session.add(
            SessionRow(
                digest=session_digest(cookie),
                token_id=token_id,
                created_at=now,
                seen_at=now,
                expires_at=last if token.expires_at is None else min(last, token.expires_at),
            )
        )
    return cookie
