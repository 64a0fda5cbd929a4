"""Note that a session of the console is in use, so that it does not end for idleness, and that its
token is."""

from datetime import timedelta

from sqlalchemy import update

from registry.reading.sessions import FoundSession
from registry.storage.database import Database
from registry.storage.tables import SessionRow, TokenRow, utc_now

EVERY = timedelta(minutes=5)
"""How exactly the last use is known: a page must not cost a write."""


def keep_session(database: Database, found: FoundSession) -> None:
    """Note the use, unless one was noted in the last five minutes."""
    now = utc_now()
    if found.seen_at > now - EVERY:
        return
    with database.write(announce=False) as session:
        session.execute(
            update(SessionRow).where(SessionRow.digest == found.digest).values(seen_at=now)
        )
        session.execute(
            update(TokenRow).where(TokenRow.digest == found.token_digest).values(last_used_at=now)
        )
