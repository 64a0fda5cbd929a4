"""Create a token. Its value is returned once, to the caller."""

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from registry.errors import Fault, TokenRefused, TokenShown
from registry.reading.views import View, token_view
from registry.storage.database import Database
from registry.storage.history import lock_head, record
from registry.storage.idempotency import Idempotency, store_answer, stored_answer
from registry.storage.tables import TokenRow, utc_now
from registry.tokens import SCOPES, Kind, new_token, token_digest, unknown_scopes

MODEL_PATTERN = re.compile(r"[A-Za-z0-9._*?-]{1,128}")


def create_token(
    database: Database,
    name: str,
    scopes: Sequence[str],
    *,
    actor: str,
    kind: Kind = "program",
    models: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    idempotency: Idempotency | None = None,
) -> View:
    """The new token's view with its value under ``token``.

    ``models`` are glob patterns of ``*`` and ``?``; None: every model. The value is not stored, so
    a repeated request is refused. Every host accepts it when this returns.

    Raises TokenRefused, and TokenShown for a repeated request.
    """
    _check(scopes, models, expires_at)
    with database.write(confirm=True) as session:
        # A request that is repeated at the same time waits here, also on PostgreSQL.
        lock_head(session)
        if (answer := stored_answer(session, idempotency)) is not None:
            raise TokenShown(answer["id"])
        row = TokenRow(
            name=name,
            kind=kind,
            scopes=sorted(set(scopes)),
            models=None if models is None else list(models),
            created_by=actor,
            expires_at=expires_at,
        )
        made = add_token(session, row)
        store_answer(session, idempotency, {"id": row.id})
        return made


def add_token(session: Session, row: TokenRow) -> View:
    """Give the new ``row`` a value and record it; its view with the value under ``token``."""
    value = new_token()
    row.digest = token_digest(value)
    session.add(row)
    session.flush()
    details = {"token_id": row.id, "name": row.name, "scopes": row.scopes, "models": row.models}
    record(session, "token_created", actor=row.created_by, details=details)
    return {**token_view(row), "token": value}


def _check(
    scopes: Sequence[str], models: Sequence[str] | None, expires_at: datetime | None
) -> None:
    faults = []
    if not scopes or unknown_scopes(scopes):
        known = ", ".join(SCOPES)
        faults.append(Fault("scopes", f"expected at least one of {known}, and nothing else"))
    for index, pattern in enumerate(models or ()):
        if not MODEL_PATTERN.fullmatch(pattern):
            faults.append(
                Fault(f"models[{index}]", "expected a model name, which may contain * and ?")
            )
    if models is not None and not models:
        faults.append(Fault("models", "leave it out for every model; an empty list allows none"))
    if expires_at is not None and expires_at <= utc_now():
        faults.append(Fault("expires_at", "expected a time in the future"))
    if faults:
        raise TokenRefused("The token cannot be created.", faults)
