"""The folders in which servers keep their figures: each its own, which goes when the server has.

They are not on the disk of the data, which may be full: the files are mapped into memory, and a
page that the disk has no room for would end the worker with a SIGBUS. Containers may share the
folder above them, and cannot see each other's processes. So each process of a server holds a lock
on its folder (flock(2)), which ends with it; a folder without one is removed.
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

_MEMORY = Path("/dev/shm")  # noqa: S108 - what is made in there is checked for its owner


def own_folder(data: Path, server: int) -> Path:
    """The folder of the server with the process id ``server``, held by this process until it ends.

    Folders that nobody holds are removed. Raises OSError where none can be made.
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
    """Remove the figures of a server that has ended; they would go on taking memory."""
    for base in _bases():
        folder = base / _name(data, server)
        if _is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _hold(folder: Path) -> None:
    """Make ``folder`` if it is not there and hold it as long as this process runs."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not _is_ours(folder):
            raise PermissionError(f"{folder} belongs to somebody else")
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                return
        os.close(descriptor)  # a sweep came between its making and its lock


def _sweep(base: Path, kept: str) -> None:
    """Remove the folders that nobody holds, whatever data they were for, but not ``kept``."""
    for folder in base.glob(f"{_prefix()}*"):
        if folder.name == kept or not _is_ours(folder):
            continue
        with suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            except BlockingIOError:
                pass  # its server runs
            finally:
                os.close(descriptor)


def _bases() -> Iterator[Path]:
    if os.access(_MEMORY, os.W_OK | os.X_OK) and _MEMORY.is_dir():
        yield _MEMORY
    yield Path(tempfile.gettempdir())


def _name(data: Path, server: int) -> str:
    """The same for all workers of a server, and for no other server.

    A process id is not enough: it is given out again, and there may be another in each PID
    namespace.
    """
    known = f"{data.resolve()} {_namespace()} {_started(server)}"
    return f"{_prefix()}{hashlib.sha256(os.fsencode(known)).hexdigest()[:16]}-{server}"


def _namespace() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:  # no Linux
        return 0


def _started(pid: int) -> str:
    """When the process started, in ticks since the machine did: proc_pid_stat(5), field 22."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _prefix() -> str:
    return f"hotswap-metrics-{os.geteuid()}-"


def _is_ours(folder: Path) -> bool:
    """It is a folder, no link to one, and nobody but us can get into it."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    return private and status.st_uid == os.geteuid()
