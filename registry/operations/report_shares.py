"""Open and close the alerts about splits whose keys are not spread as their weights say."""

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select

from registry.live.references import Alias, read_references
from registry.operations.close_alert import close_alert
from registry.operations.open_alert import find_open_alert, open_alert
from registry.splits.choice import Split
from registry.splits.shares import ALARM
from registry.storage.alert_tables import AlertRow
from registry.storage.database import Database
from registry.watching.keys_of_hosts import counts_of_others
from registry.watching.recent_faults import counting_began
from registry.watching.split_shares import ArmShare, read_shares, shares_view

_CALM = 1e-3
"""From this probability on, a share is no longer reported."""


def report_shares(database: Database, folder: Path | None, actor: str = "keeper") -> None:
    """Compare the shares of the keys that each version of a split had with its weight.

    ``folder``: with the counts of the workers of this host, to which those of other hosts are
    added; None: there are none. A version that has far fewer keys than its weight loses requests
    before they arrive: its callers give up. An alert about a version that is in no split any more
    is closed.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull, OSError.
    """
    with database.read() as session:
        splits = read_references(session, None).splits
    _close_past(database, splits, actor)
    if folder is None:
        return
    server = counting_began(folder)
    with database.read() as session:
        others = {
            alias: list(counts_of_others(session, alias, split, server))
            for alias, split in splits.items()
        }
        known = {
            (alias, number): find_open_alert(session, "share", _subject(alias, number), alias.model)
            for alias, split in splits.items()
            for number in split.numbers
        }
    for alias, split in splits.items():
        shares = read_shares(folder, alias, split, others=others[alias])
        for number, arm in ({} if shares is None else shares.arms).items():
            is_open = known[alias, number] is not None
            if arm.probability < ALARM and not is_open:
                with database.write(announce=False) as session:
                    open_alert(
                        session,
                        "share",
                        _subject(alias, number),
                        _message(alias, number, arm),
                        actor=actor,
                        model=alias.model,
                        alias=alias.name,
                        version=number,
                        evidence=shares_view(shares),
                    )
            elif arm.probability > _CALM and is_open:
                with database.write(announce=False) as session:
                    close_alert(
                        session,
                        "share",
                        _subject(alias, number),
                        actor=actor,
                        reason=f"Version {number} has {arm.keys:.2%} of the keys.",
                        model=alias.model,
                    )


def _close_past(database: Database, splits: Mapping[Alias, Split], actor: str) -> None:
    """Close the alerts about versions that are in none of ``splits``."""
    present = {
        (alias.model, _subject(alias, number))
        for alias, split in splits.items()
        for number in split.numbers
    }
    with database.read() as session:
        opened = session.scalars(
            select(AlertRow).where(AlertRow.kind == "share", AlertRow.closed_at.is_(None))
        ).all()
    for row in opened:
        if (row.model, row.subject) not in present:
            with database.write(announce=False) as session:
                close_alert(
                    session,
                    "share",
                    row.subject,
                    actor=actor,
                    reason=f"Version {row.version} is in no split of '{row.alias}' any more.",
                    model=row.model,
                )


def _subject(alias: Alias, number: int) -> str:
    return f"{alias.name} {number}"


def _message(alias: Alias, number: int, arm: ArmShare) -> str:
    return (
        f"Version {number} has {arm.keys:.2%} of the keys of '{alias.name}' instead of "
        f"{arm.expected:.2%}: requests of some keys may be lost."
    )
