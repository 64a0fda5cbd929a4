"""The folders in which servers keep their metrics: one per server, removed when it has ended.

They are not on the disk of the data, which may be full: the files are mapped into memory, and a
page without room on the disk would end the worker with a SIGBUS. Containers may share the parent
folder and cannot see each other's processes. Therefore each process of a server holds a lock on its
folder (flock(2)), which ends with the process; a folder without a lock is removed.
"""

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - the owner of folders in it is checked


def own_folder(data: Path, server: int) -> Path:
    """The folder of the server with the process id ``server``, held by this process until it ends.

    Unlocked folders are removed. Raises OSError if no folder can be created.
    """
    refused: OSError = FileNotFoundError("there is no folder for temporary files")
    for base in _bases():
        folder = base / _name(data, server)
        _sweep(base, kept=folder.name)
        try:
            _hold(folder)
        except OSError as error:
            refused = error
        else:
            return folder
    raise refused


def remove_folder(data: Path, server: int) -> None:
    """Remove the metrics of a server that has ended, which would otherwise keep using memory."""
    for base in _bases():
        folder = base / _name(data, server)
        if _is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _hold(folder: Path) -> None:
    """Create ``folder`` if it does not exist, and lock it as long as this process runs."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not _is_ours(folder):
            raise PermissionError(f"{folder} belongs to another user")
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                return
        os.close(descriptor)  # another process removed it before it was locked


def _sweep(base: Path, kept: str) -> None:
    """Remove unlocked folders, whatever data directory they belong to, except ``kept``."""
    for folder in base.glob(f"{_prefix()}*"):
        if folder.name == kept or not _is_ours(folder):
            continue
        with suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            except BlockingIOError:
                pass  # its server is running
            finally:
                os.close(descriptor)


def _bases() -> Iterator[Path]:
    if os.access(_MEMORY, os.W_OK | os.X_OK) and _MEMORY.is_dir():
        yield _MEMORY
    yield Path(tempfile.gettempdir())


def _name(data: Path, server: int) -> str:
    """The same name for all workers of a server, and a different one for any other server.

    A process id is not enough: ids are reused, and each PID namespace has its own.
    """
    known = f"{data.resolve()} {_namespace()} {_started(server)}"
    return f"{_prefix()}{hashlib.sha256(os.fsencode(known)).hexdigest()[:16]}-{server}"


def _namespace() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:  # not Linux
        return 0


def _started(pid: int) -> str:
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
