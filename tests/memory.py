"""Files in memory, for tests in which nothing has to survive a power cut."""

import os
import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - only to make a folder with a random name in
_ROOM = 2**31
"""What a test run may write there, with some to spare."""


def in_memory() -> Path | None:
    """A folder in memory; None where this machine has none, or too little room in it."""
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM:
        return _MEMORY
    return None
