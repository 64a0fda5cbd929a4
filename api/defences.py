"""What is logged once after a service has started: which of its defences are missing."""

import logging
from pathlib import Path

from registry.storage.file_modes import open_to_others

logger = logging.getLogger(__name__)


def log_missing_defences(data: Path) -> None:
    """Log which paths in ``data`` are open to other users, and which defences against uploads this
    machine lacks. Called once per service, not by workers."""
    for path in open_to_others(data):
        logger.warning("%s is open to other users, and its mode could not be changed", path)
    # Imported late: the service is started before it looks for them.
    from registry.confinement.spawner import SpawnFailed, missing_defences

    try:
        missing = missing_defences()
    except SpawnFailed as error:
        logger.warning("uploads cannot be inspected: %s", error)
        return
    if not missing:
        logger.info("uploads are opened with every defence")
    for line in missing:
        logger.warning("confined processes lack a defence: %s", line)
