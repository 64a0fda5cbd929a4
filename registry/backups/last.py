"""The note in a run folder of when its data directory was last backed up."""

import logging
from datetime import datetime
from pathlib import Path

from registry.storage.durable import make_directory, write_whole

logger = logging.getLogger(__name__)

_NOTE = "last-backup"


def note_backup(run: Path, made_at: str) -> None:
    """Note that a backup was completed, which is complete without the note."""
    note = run / _NOTE
    try:
        make_directory(note.parent)
        write_whole(note, made_at.encode())
    except OSError as error:
        logger.warning("the time of the backup was not noted: %s", error)


def last_backup(run: Path) -> datetime | None:
    """When the last backup was made by ``hotswap backup``; None if that is not known."""
    try:
        return datetime.fromisoformat((run / _NOTE).read_text())
    except (OSError, ValueError):
        return None
