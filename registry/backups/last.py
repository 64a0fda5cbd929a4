"""The note in a data directory of when it was last backed up."""

import logging
from datetime import datetime
from pathlib import Path

from registry.storage.durable import make_directory, write_whole

logger = logging.getLogger(__name__)

_NOTE = Path("run") / "last-backup"


def note_backup(data: Path, made_at: str) -> None:
    """Note that a backup of ``data`` was completed; the backup is complete without the note."""
    note = data / _NOTE
    try:
        make_directory(note.parent)
        write_whole(note, made_at.encode())
    except OSError as error:
        logger.warning("the time of the backup was not noted: %s", error)


def last_backup(data: Path) -> datetime | None:
    """When the last backup was made by ``hotswap backup``; None if that is not known."""
    try:
        return datetime.fromisoformat((data / _NOTE).read_text())
    except (OSError, ValueError):
        return None
