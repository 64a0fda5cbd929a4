"""Store what this host has counted of the keys of splits, for the other hosts of the database."""

from pathlib import Path

from sqlalchemy import delete

from registry.live.references import read_references
from registry.storage.database import Database
from registry.storage.split_tables import SplitCountsRow
from registry.storage.tables import utc_now
from registry.watching.key_counts import name_of, read_keys
from registry.watching.keys_of_hosts import COUNTED
from registry.watching.recent_faults import counting_began


def store_key_counts(database: Database, folder: Path | None) -> None:
    """Store the counts of the workers whose ``folder`` it is (None: there are none), of each split
    that has any, and remove those that nobody reads any more.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull, OSError.
    """
    if folder is None:
        return
    server = counting_began(folder)
    with database.read() as session:
        splits = read_references(session, None).splits
    found = {alias: read_keys(folder, alias, split) for alias, split in splits.items()}
    counted = {alias: counts for alias, counts in found.items() if counts.requests.any()}
    if not (server and counted):
        return
    now = utc_now()
    with database.write(announce=False) as session:
        session.execute(delete(SplitCountsRow).where(SplitCountsRow.at <= now - COUNTED))
        for alias, counts in counted.items():
            key = (alias.model, alias.name, server)
            row = session.get(SplitCountsRow, key)
            if row is None:
                row = SplitCountsRow(model=alias.model, alias=alias.name, server=server)
                session.add(row)
            row.split, row.content, row.at = name_of(alias, splits[alias]), counts.to_bytes(), now
