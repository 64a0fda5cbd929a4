"""Replace a token by a new one with the same name, rights and expiry."""

from registry.errors import TokenNotFound, TokenRefused
from registry.operations.create_token import add_token
from registry.operations.revoke_token import mark_revoked
from registry.reading.views import View
from registry.storage.database import Database
from registry.storage.history import lock_head
from registry.storage.locks import FOR_CHANGE
from registry.storage.tables import TokenRow, utc_now
from registry.tokens import is_live


def rotate_token(database: Database, token_id: int, *, actor: str) -> View:
    """The new token's view with its value under ``token``. The old one is revoked in the same
    transaction.

    Raises TokenNotFound; TokenRefused where the token is not valid any more.
    """
    with database.confirming(TokenRefused), database.write(confirm=True) as session:
        # As where tokens are revoked: concurrent changes of tokens wait here.
        lock_head(session)
        old = session.get(TokenRow, token_id, with_for_update=FOR_CHANGE)
        if old is None:
            raise TokenNotFound(token_id)
        if not is_live(old, utc_now()):
            raise TokenRefused(
                "The token was revoked or has expired, and cannot be replaced. Create a new one."
            )
        made = add_token(
            session,
            TokenRow(
                name=old.name,
                kind=old.kind,
                scopes=old.scopes,
                models=old.models,
                created_by=actor,
                expires_at=old.expires_at,
            ),
        )
        mark_revoked(session, old, actor)
        return made
