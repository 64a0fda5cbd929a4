"""What a worker has to know of the database to answer predictions, read in one transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from registry.errors import Unauthenticated
from registry.names import LATEST
from registry.serving.pool import Key
from registry.tables import AliasRow, HistoryHeadRow, TokenRow, VersionRow, utc_now
from registry.tokens import Grant, grant_of

_CHUNK = 200


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token that is not revoked."""

    grant: Grant
    expires_at: datetime | None

    def valid_grant(self) -> Grant:
        """What its bearer may do now. Raises Unauthenticated where it has expired."""
        if self.expires_at is not None and self.expires_at <= utc_now():
            raise Unauthenticated.invalid()
        return self.grant


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The registry's serving state at one moment. Never changed, only replaced.

    ``references`` leads from model and alias (or ``latest``) to a number; ``live`` are the versions
    that an alias points at or pointed at before; ``seq`` is the number of the last event.
    """

    seq: int = -1
    references: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    aliased: frozenset[Key] = frozenset()
    before: frozenset[Key] = frozenset()
    tokens: Mapping[str, KnownToken] = field(default_factory=dict)

    def known_token(self, digest: str) -> KnownToken:
        """The token with this digest. Raises Unauthenticated where there is none."""
        known = self.tokens.get(digest)
        if known is None:
            raise Unauthenticated.invalid()
        return known


def read_snapshot(session: Session) -> Snapshot:
    """Read the state; the session sees one state of the database throughout."""
    seq = last_seq(session)
    references: dict[str, dict[str, int]] = {}
    latest = (
        select(VersionRow.model, func.max(VersionRow.number))
        .where(VersionRow.status == "ready")
        .group_by(VersionRow.model)
    )
    for model, number in session.execute(latest):
        references[model] = {LATEST: number}
    aliased, before = set(), set()
    for model, name, number, previous in session.execute(
        select(AliasRow.model, AliasRow.name, AliasRow.number, AliasRow.previous_number)
    ):
        references.setdefault(model, {})[name] = number
        aliased.add((model, number))
        if previous is not None:
            before.add((model, previous))
    tokens = {
        row.digest: KnownToken(grant_of(row), row.expires_at)
        for row in session.scalars(select(TokenRow).where(TokenRow.revoked_at.is_(None)))
    }
    return Snapshot(seq, references, frozenset(aliased), frozenset(before), tokens)


def last_seq(session: Session) -> int:
    """The number of the last event: it moves with everything that is ever changed."""
    return session.scalars(select(HistoryHeadRow.seq)).one()


def not_ready(session: Session, keys: Iterable[Key]) -> set[Key]:
    """Which of these versions may no longer answer."""
    wanted, gone = sorted(keys), set()
    for start in range(0, len(wanted), _CHUNK):
        query = select(VersionRow.model, VersionRow.number).where(
            tuple_(VersionRow.model, VersionRow.number).in_(wanted[start : start + _CHUNK]),
            VersionRow.status != "ready",
        )
        gone |= {(model, number) for model, number in session.execute(query)}
    return gone
