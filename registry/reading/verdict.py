"""The last outcome of the gates of a version, if it still holds."""

from sqlalchemy.orm import Session

from registry.errors import VerdictNotFound
from registry.names import check_alias
from registry.reading.queries import current_holdout, find_version, policy_of
from registry.reading.views import View, timestamp
from registry.storage.tables import AliasRow, VerdictRow


def kept_verdict(session: Session, model: str, reference: str, alias: str) -> View:
    """What ``evaluate`` returned last for the version and ``alias``.

    Raises AliasMalformed, ModelNotFound, VersionNotFound, and VerdictNotFound if the gates were not
    evaluated, or the alias, the policy or the holdout has changed since.
    """
    check_alias(alias)
    version = find_version(session, model, reference)
    row = session.get(VerdictRow, (model, version.number, alias))
    if row is None or not _holds(session, row):
        raise VerdictNotFound(model, version.number, alias)
    return {**row.outcome, "evaluated_at": timestamp(row.evaluated_at)}


def _holds(session: Session, row: VerdictRow) -> bool:
    champion = session.get(AliasRow, (row.model, row.alias))
    holdout = current_holdout(session, row.model)
    return (
        row.champion == (None if champion is None else champion.number)
        and row.gates == policy_of(session, row.model)["gates"]
        and row.holdout == (None if holdout is None else holdout.sha256)
    )
