"""The first start creates one admin token."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.errors import TokenRefused
from registry.operations.revoke_token import mark_revoked
from registry.storage.database import Database
from registry.storage.durable import make_directory, write_whole
from registry.storage.history import lock_head, record
from registry.storage.tables import TokenRow, utc_now
from registry.tokens import is_live, looks_whole, new_token, token_digest

_ACTOR = "hotswap"
_GENERATED, _CONFIGURED = "admin", "admin (HOTSWAP_ADMIN_TOKEN)"


def ensure_admin(database: Database, file: Path, configured: str = "") -> str | None:
    """Create the admin token if there is none yet, and return its value if it was created here.

    A generated value is written to ``file`` (mode 0600) before the token exists, so a crash cannot
    leave a token whose value is lost. ``configured`` gives the value instead: it is not written to
    ``file``, a token with an earlier configured value is revoked, and ``file`` is removed if it
    holds such a value, which earlier releases wrote.

    Raises TokenRefused where ``configured`` is the value of a token that is no longer valid.
    """
    with database.write() as session:
        # Several workers start at once: they take turns here, also on PostgreSQL.
        lock_head(session)
        rows = session.scalars(select(TokenRow)).all()
        if not configured:
            return _ensure_generated(session, rows, file)
        revoked = _revoke_earlier(session, rows, configured)
        made = _ensure_configured(session, rows, file, configured)
    if revoked:
        database.confirmed()  # an operator who sees the service start takes it for revoked
    return made


def first_token_in_use(database: Database) -> int | None:
    """The id of the admin token that the first start created and printed, if it is still valid."""
    with database.read() as session:
        rows = session.scalars(
            select(TokenRow).where(TokenRow.name == _GENERATED, TokenRow.created_by == _ACTOR)
        )
        return next((row.id for row in rows if is_live(row, utc_now())), None)


def admin_token_in(database: Database, file: Path) -> str | None:
    """The digest of the valid admin token in ``file``; None if it holds none."""
    if not file.exists():
        return None
    digest = token_digest(file.read_text(errors="replace").strip())
    with database.read() as session:
        rows = session.scalars(select(TokenRow).where(TokenRow.digest == digest)).all()
        valid = any("admin" in row.scopes and is_live(row, utc_now()) for row in rows)
    return digest if valid else None


def _ensure_generated(session: Session, rows: Sequence[TokenRow], file: Path) -> str | None:
    if any("admin" in row.scopes for row in rows):
        return None
    left = file.read_text(errors="replace").strip() if file.exists() else ""
    value = left if looks_whole(left) else new_token()
    make_directory(file.parent)
    write_whole(file, f"{value}\n".encode())
    _add(session, _GENERATED, value)
    return value


def _revoke_earlier(session: Session, rows: Sequence[TokenRow], value: str) -> bool:
    """Revoke the tokens with another configured value than ``value``; whether there were any."""
    digest, revoked = token_digest(value), False
    for row in rows:
        if row.name == _CONFIGURED and row.digest != digest and row.revoked_at is None:
            mark_revoked(session, row, _ACTOR)
            revoked = True
    return revoked


def _ensure_configured(
    session: Session, rows: Sequence[TokenRow], file: Path, value: str
) -> str | None:
    digest = token_digest(value)
    _remove_configured(file, rows, digest)
    known = next((row for row in rows if row.digest == digest), None)
    if known is not None and is_live(known, utc_now()) and "admin" in known.scopes:
        return None
    if known is not None:
        raise TokenRefused(
            "HOTSWAP_ADMIN_TOKEN holds the value of a token that was revoked, has expired or lacks "
            "the scope 'admin'. Choose another value."
        )
    _add(session, _CONFIGURED, value)
    return value


def _remove_configured(file: Path, rows: Sequence[TokenRow], digest: str) -> None:
    """Remove the ``file`` if the token in it came from the environment."""
    try:
        held = token_digest(file.read_text(errors="replace").strip())
    except FileNotFoundError:
        return
    if held in {digest, *(row.digest for row in rows if row.name == _CONFIGURED)}:
        file.unlink(missing_ok=True)


def _add(session: Session, name: str, value: str) -> None:
    row = TokenRow(name=name, digest=token_digest(value), scopes=["admin"], created_by=_ACTOR)
    session.add(row)
    session.flush()
    details = {"token_id": row.id, "name": name, "scopes": row.scopes, "models": None}
    record(session, "token_created", actor=_ACTOR, details=details)
