"""Paths that somebody else has written, in a list, a database or a folder."""

from pathlib import Path


def real_path(path: Path) -> Path | None:
    """``path`` without links; None if nothing is there, or can be: a loop of links, a name that is
    too long or that contains U+0000."""
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return None
