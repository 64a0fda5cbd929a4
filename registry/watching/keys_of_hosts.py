"""The counts of the keys of splits that other hosts have stored, where hosts share a database."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.live.references import Alias
from registry.splits.choice import Split
from registry.storage.split_tables import SplitCountsRow
from registry.storage.tables import utc_now
from registry.watching.key_counts import KeyCounts, name_of

COUNTED = timedelta(hours=2)
"""Counts are of the present hour and the one before."""


def counts_of_others(
    session: Session, alias: Alias, split: Split, server: str
) -> Iterator[KeyCounts]:
    """What the servers other than ``server`` had counted of ``split`` when they stored it last."""
    if session.get_bind().dialect.name == "sqlite":  # of one host
        return
    query = select(SplitCountsRow.content).where(
        SplitCountsRow.model == alias.model,
        SplitCountsRow.alias == alias.name,
        SplitCountsRow.split == name_of(alias, split),
        SplitCountsRow.server != server,
        SplitCountsRow.at > utc_now() - COUNTED,
    )
    for content in session.scalars(query):
        yield KeyCounts.from_bytes(content)
