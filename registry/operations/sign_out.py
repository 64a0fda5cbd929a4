"""End sessions of the console."""

from sqlalchemy import delete

from registry.reading.sessions import session_digest
from registry.storage.database import Database
from registry.storage.tables import SessionRow


def sign_out(database: Database, cookie: str) -> None:
    """End the session of this cookie; nothing if there is none."""
    with database.write(announce=False) as session:
        session.execute(delete(SessionRow).where(SessionRow.digest == session_digest(cookie)))


def sign_out_everywhere(database: Database, token_id: int) -> None:
    """End all sessions of the token."""
    with database.write(announce=False) as session:
        session.execute(delete(SessionRow).where(SessionRow.token_id == token_id))
