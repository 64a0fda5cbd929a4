"""Note that tokens are in use, for whoever wants to revoke those that are not."""

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import or_, select, update

from registry.storage.database import Database
from registry.storage.tables import TokenRow, utc_now

EVERY = timedelta(minutes=5)
"""How exactly the last use is known: it must not cost a write for each request."""


def note_token_uses(database: Database, token_ids: Collection[int]) -> None:
    """Note a use of each token now, unless one was noted in the last five minutes.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    now = utc_now()
    used = TokenRow.last_used_at
    stale = or_(used.is_(None), used <= now - EVERY)
    with database.read() as session:
        due = session.scalars(select(TokenRow.id).where(TokenRow.id.in_(token_ids), stale)).all()
    if not due:
        return
    with database.write(announce=False) as session:
        noted = update(TokenRow).where(TokenRow.id.in_(due)).values(last_used_at=now)
        session.execute(noted)
