"""Create a token. Its value is returned once, to the caller."""

import re
from collections.abc import Sequence
from datetime import datetime

from registry.errors import Fault, TokenRefused
from registry.reading.views import View, token_view
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.tables import TokenRow, utc_now
from registry.tokens import SCOPES, new_token, token_digest, unknown_scopes

MODEL_PATTERN = re.compile(r"[A-Za-z0-9._*?-]{1,128}")


def create_token(
    database: Database,
    name: str,
    scopes: Sequence[str],
    *,
    actor: str,
    models: Sequence[str] | None = None,
    expires_at: datetime | None = None,
) -> View:
    """The new token's view with its value under ``token``.

    ``models`` are glob patterns of ``*`` and ``?``; None: every model.

    Raises TokenRefused.
    """
    _check(scopes, models, expires_at)
    value = new_token()
    with database.write() as session:
        row = TokenRow(
            name=name,
            digest=token_digest(value),
            scopes=sorted(set(scopes)),
            models=None if models is None else list(models),
            created_by=actor,
            expires_at=expires_at,
        )
        session.add(row)
        session.flush()
        record(
            session,
            "token_created",
            actor=actor,
            details={"token_id": row.id, "name": name, "scopes": row.scopes, "models": row.models},
        )
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
