"""The folders in which servers keep their metrics: one per server, removed when it has ended.

They are not on the disk of the data, which may be full: the files are mapped into memory, and a
page without room on the disk would end the worker with a SIGBUS. Containers may share the parent
folder and cannot see each other's processes. Therefore each process of a server holds a lock on its
folder (flock(2)), which ends with the process; a folder without a lock is removed.

A folder is named after the data directory, so a server that takes over from a running one continues
its counts. A folder without a lock is continued only by workers of the server that used it last:
all of them may have ended at the same time. What a server that was killed has counted for rollouts
is kept (``registry.watching.arm_counts``); a worker that ends otherwise does that itself.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

logger = logging.getLogger(__name__)

_MEMORY = Path("/dev/shm")  # noqa: S108 - the owner of folders in it is checked
_SERVER = "server"
"""The file that says which server uses the folder."""


class TelemetryFolder(NamedTuple):
    """A folder that this process holds until it ends. ``run`` is where counts are kept that outlast
    it."""

    path: Path
    descriptor: int
    run: Path

    def release(self) -> None:
        """Stop holding the folder, and remove it if no other process holds it."""
        os.close(self.descriptor)
        _remove_if_free(self.path)


def own_folder(data: Path, run: Path, server: int) -> TelemetryFolder:
    """The folder of the server with the process id ``server``, held by this process until it ends.
    ``run`` is the folder of its running processes.

    Folders that no process holds are removed. Raises OSError if no folder can be created.
    """
    refused: OSError = FileNotFoundError("there is no folder for temporary files")
    for base in _bases():
        folder = base / _name(data)
        for other in base.glob(f"{_prefix()}*"):
            if other.name != folder.name and _is_ours(other):
                _remove_if_free(other)
        try:
            held = _hold(folder, f"{server} {started(server)}", run)
            return TelemetryFolder(folder, held, run)
        except OSError as error:
            refused = error
    raise refused


def telemetry_folder(data: Path) -> Path | None:
    """The folder of the server of this data directory, for a process that only reads it.

    None where there is none, also if its server runs in another PID namespace.
    """
    folders = (base / _name(data) for base in _bases())
    return next((folder for folder in folders if _is_ours(folder)), None)


def began_at(folder: Path) -> datetime | None:
    """When the server whose ``folder`` it is began to count; None: it is about to. Raises
    OSError."""
    try:
        return datetime.fromtimestamp((folder / _SERVER).stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


def _hold(folder: Path, server: str, run: Path) -> int:
    """Create ``folder`` if it does not exist, and lock it; returns the descriptor with the lock.

    If no process holds it, what another server than ``server`` left in it is removed, except what
    is kept in ``run``.
    """
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not _is_ours(folder):
            raise PermissionError(f"{folder} belongs to another user")
        descriptor = _open(folder)
        with suppress(BlockingIOError):  # others hold it
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _begin(folder, server, run)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                return descriptor
        os.close(descriptor)  # another process removed it before it was locked


def _begin(folder: Path, server: str, run: Path) -> None:
    note = folder / _SERVER
    if note.exists():
        if note.read_text() == server:
            return
        _keep(folder, run)
    for path in folder.iterdir():
        path.unlink()
    note.write_text(server)


def _keep(folder: Path, run: Path) -> None:
    # Imports numpy, which the main process of a server does without unless the last one was killed.
    from registry.watching.arm_counts import keep_arms

    try:
        keep_arms(folder, run)
    except OSError as error:
        logger.warning("rollouts lose the last counts of the server that has ended: %s", error)


def _remove_if_free(folder: Path) -> None:
    """Remove ``folder`` if no process holds it."""
    with suppress(FileNotFoundError):
        descriptor = _open(folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass  # its server is running
        finally:
            os.close(descriptor)


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _bases() -> Iterator[Path]:
    if os.access(_MEMORY, os.W_OK | os.X_OK) and _MEMORY.is_dir():
        yield _MEMORY
    yield Path(tempfile.gettempdir())


def _name(data: Path) -> str:
    """The same name for all servers of a data directory in a PID namespace.

    Process ids, by which workers are told apart, mean nothing in another namespace.
    """
    known = f"{data.resolve()} {_namespace()}"
    return f"{_prefix()}{hashlib.sha256(os.fsencode(known)).hexdigest()[:16]}"


def _namespace() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:  # not Linux
        return 0


def started(pid: int) -> str:
    """The start time of the process, in ticks since boot: proc_pid_stat(5), field 22."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _prefix() -> str:
    return f"hotswap-metrics-{os.geteuid()}-"


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder, not a link to one, that only this user can access."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    return private and status.st_uid == os.geteuid()
