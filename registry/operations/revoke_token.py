"""Revoke a token, at once and permanently."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.errors import LastAdminToken, TokenNotFound
from registry.storage.database import Database
from registry.storage.history import lock_head, record
from registry.storage.locks import FOR_CHANGE
from registry.storage.tables import TokenRow, utc_now
from registry.tokens import is_live, is_unrestricted_admin

LEAST_LEFT = timedelta(days=1)
"""How long another admin token has to remain valid, unless it outlives the revoked one anyway."""


def revoke_token(database: Database, token_id: int, *, actor: str) -> None:
    """Revoke the token; nothing if it is revoked already.

    Raises TokenNotFound; LastAdminToken where no other unrestricted admin token is valid for
    ``LEAST_LEFT`` or for as long as this one.
    """
    with database.write(confirm=True) as session:
        # Concurrent revocations wait here, also on PostgreSQL: each sees the other's.
        lock_head(session)
        row = session.get(TokenRow, token_id, with_for_update=FOR_CHANGE)
        if row is None:
            raise TokenNotFound(token_id)
        if row.revoked_at is None:
            now = utc_now()
            if is_unrestricted_admin(row) and is_live(row, now):
                _check_another_admin(session, row, now)
            mark_revoked(session, row, actor)


def mark_revoked(session: Session, row: TokenRow, actor: str) -> None:
    """Revoke the token and record it."""
    row.revoked_at = utc_now()
    details = {"token_id": row.id, "name": row.name}
    record(session, "token_revoked", actor=actor, details=details)


def _check_another_admin(session: Session, revoked: TokenRow, now: datetime) -> None:
    needed = now + LEAST_LEFT
    if revoked.expires_at is not None:
        needed = min(needed, revoked.expires_at)
    others = session.scalars(
        select(TokenRow).where(TokenRow.id != revoked.id, TokenRow.revoked_at.is_(None))
    )
    if not any(
        is_unrestricted_admin(other) and (other.expires_at is None or other.expires_at >= needed)
        for other in others
    ):
        raise LastAdminToken
