"""Verify the hash chain of the whole history, and keep the outcome."""

import logging

from registry.errors import HistoryBroken
from registry.reading.events import history_head
from registry.reading.views import View
from registry.storage.database import Database
from registry.storage.history import verify
from registry.storage.tables import HistoryCheckRow, utc_now

logger = logging.getLogger(__name__)


def verify_history(database: Database) -> View:
    """Read every event; the end of the chain and this check, as ``history_head`` has them.

    Raises HistoryBroken, DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    try:
        with database.read() as session:
            head = verify(session)
    except HistoryBroken as error:
        logger.warning("the history is broken: %s", error.detail)
        _keep(database, error.seq - 1, error.seq)
        raise
    _keep(database, head.seq, None)
    with database.read() as session:
        return history_head(session)


def _keep(database: Database, seq: int, broken_seq: int | None) -> None:
    with database.write(announce=False) as session:
        session.merge(HistoryCheckRow(id=1, at=utc_now(), seq=seq, broken_seq=broken_seq))
