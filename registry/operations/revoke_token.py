"""Take a token out of use, at once and for good."""

from registry.database import Database
from registry.errors import TokenNotFound
from registry.history import record
from registry.tables import TokenRow, utc_now


def revoke_token(database: Database, token_id: int, *, actor: str) -> None:
    """Nothing if it is revoked already. Raises TokenNotFound."""
    with database.write() as session:
        row = session.get(TokenRow, token_id, with_for_update=True)
        if row is None:
            raise TokenNotFound(token_id)
        if row.revoked_at is None:
            row.revoked_at = utc_now()
            details = {"token_id": row.id, "name": row.name}
            record(session, "token_revoked", actor=actor, details=details)
