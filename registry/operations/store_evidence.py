"""Store what was counted during a rollout, so that another keeper can continue."""

from sqlalchemy import update

from registry.rollouts.observed import Observed, Sources, sources_to_json
from registry.storage.database import Database
from registry.storage.rollout_tables import RolloutCountsRow, RolloutRow
from registry.storage.tables import utc_now


def store_evidence(database: Database, rollout: int, revision: int, observed: Observed) -> bool:
    """Store ``observed`` for the rollout with this id; False: it has ended, or its revision is
    another one by now.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    with database.write(announce=False) as session:
        changed = session.scalar(
            update(RolloutRow)
            .where(
                RolloutRow.id == rollout,
                RolloutRow.revision == revision,
                RolloutRow.ended_at.is_(None),
            )
            .values(evidence=observed.to_json(), evidence_at=utc_now())
            .returning(RolloutRow.id)
        )
        return changed is not None


def store_counts(database: Database, rollout: int, counts: Sources, first: Sources) -> None:
    """Store the counts of this host's server for the keeper of another host, which decides.

    ``first``: what it had counted when the rollout began, as far as that is known; what was stored
    before stays.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    with database.write(announce=False) as session:
        # Locked, so that the end of the rollout, which deletes its counts, comes before or after.
        active = session.get(RolloutRow, rollout, with_for_update=True)
        if active is None or active.ended_at is not None:
            return
        for server, totals in sources_to_json(counts).items():
            row = session.get(RolloutCountsRow, (rollout, server))
            if row is None:
                row = RolloutCountsRow(rollout=rollout, server=server)
                if server in first:
                    row.first = sources_to_json(first)[server]
                session.add(row)
            row.totals, row.at = totals, utc_now()
