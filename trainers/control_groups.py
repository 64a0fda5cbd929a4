"""The memory that the control groups of this process leave to it (cgroups(7)), in both versions."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

_PROCESS = Path("/proc/self/cgroup")
_MOUNTED = Path("/sys/fs/cgroup")
_VERSION_2 = ("memory.max", "memory.current", "inactive_file")
_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
"""The files with the limit and with what is used, and the line of ``memory.stat`` with the part of
that which the system gives up first: files that were read and are not used."""


def memory_left(process: Path = _PROCESS, mounted: Path = _MOUNTED) -> int | None:
    """Bytes that this process may take by the limit of its group and those of the groups that
    contain it; None where there is no limit, or the system does not tell.

    ``process``: the file that names its groups; ``mounted``: where these are folders.
    """
    found = []
    with suppress(OSError, ValueError):
        for line in process.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                found += _left(mounted, path, *_VERSION_2)
            elif "memory" in controllers.split(","):
                found += _left(mounted / "memory", path, *_VERSION_1)
    return min(found, default=None)


def _left(root: Path, path: str, limit: str, used: str, unused: str) -> Iterator[int]:
    """What each group leaves, from that at ``path`` up to the ``root``."""
    for folder in _folders(root, path):
        with suppress(OSError, ValueError, KeyError):  # "max": no limit
            statistics = dict(
                line.split(" ", 1) for line in (folder / "memory.stat").read_text().splitlines()
            )
            needed = int((folder / used).read_text()) - int(statistics[unused])
            yield int((folder / limit).read_text()) - needed


def _folders(root: Path, path: str) -> Iterator[Path]:
    """In a container the path may be that of the machine, which is not mounted, or lead out of what
    is mounted."""
    parts = PurePosixPath(path).parts[1:]
    if ".." in parts:
        parts = ()
    for length in range(len(parts), -1, -1):
        yield root.joinpath(*parts[:length])
