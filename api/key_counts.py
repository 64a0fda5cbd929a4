"""Counts the keys of splits in a thread of each worker, and shows the shares."""

import logging

from sqlalchemy.orm import Session

from api.services import Services, services
from api.telemetry import NoTelemetry, Telemetry, current_telemetry
from registry.errors import StorageFull
from registry.live.references import Alias
from registry.watching.key_counts import WorkerKeys
from registry.watching.keys_of_hosts import counts_of_others
from registry.watching.recent_faults import counting_began
from registry.watching.split_shares import SplitShares, read_shares

logger = logging.getLogger(__name__)

_SECONDS = 0.5


def count_keys(telemetry: Telemetry | NoTelemetry, services: Services) -> None:
    """Count the keys of the splits that this worker serves, until ``telemetry`` ends."""
    if isinstance(telemetry, NoTelemetry):
        return
    keys = WorkerKeys(telemetry.folder.path, lambda: services.watch.last_snapshot.splits)

    def flush() -> None:
        try:
            keys.flush()
        except (OSError, StorageFull) as error:
            logger.warning("the keys of splits are not counted: %s", error)

    def end() -> None:
        flush()
        keys.close()

    telemetry.repeat(flush, _SECONDS, last=end)


def shares_of(session: Session, model: str, alias: str) -> SplitShares | None:
    """The real shares of a split, as the workers of all hosts have counted them, those of others as
    of ten seconds ago; None: nothing was counted yet."""
    folder = current_telemetry().folder
    split = services().watch.snapshot().splits.get(Alias(model, alias))
    if folder is None or split is None:
        return None
    name = Alias(model, alias)
    others = counts_of_others(session, name, split, counting_began(folder.path))
    return read_shares(folder.path, name, split, others=others)
