"""A Unix socket that the service listens on: its file, and the service that may still use it."""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cli.exits import SAID_NO, CommandFailed

LONGEST_PATH = 107
"""Bytes in the path of a Unix socket; unix(7) has 108 with the null at its end."""


@dataclass(frozen=True, slots=True)
class SocketFile:
    """The file of a socket. ``device`` and ``inode`` tell it from a later file at its path."""

    path: str
    device: int
    inode: int

    @classmethod
    def at(cls, path: Path) -> "SocketFile":
        """The file that is at ``path`` now."""
        found = path.lstat()
        return cls(str(path), found.st_dev, found.st_ino)

    def remove(self) -> None:
        """Remove the file, unless another service has replaced it."""
        with suppress(FileNotFoundError):
            if self == SocketFile.at(Path(self.path)):
                Path(self.path).unlink()


def bind_unix(path: Path, mode: int, backlog: int) -> tuple[socket.socket, SocketFile]:
    """A socket that listens at ``path``, whose file has the permissions ``mode``.

    The file of a service that has died is replaced. Raises OSError, with EADDRINUSE where a service
    listens there, and CommandFailed for a path that is too long or no socket's.
    """
    path = path.absolute()
    size = len(os.fsencode(path))
    if size > LONGEST_PATH:
        raise CommandFailed(
            f"The path of a Unix socket may have {LONGEST_PATH} bytes, and this one has {size}: "
            f"{path}.",
            SAID_NO,
            advice="Choose a shorter path with --uds.",
        )
    with _locked(path.parent):  # of two services that find a dead one's file only one replaces it
        _remove_dead(path)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            umask = os.umask(0o177)
            try:
                bound.bind(str(path))
            finally:
                os.umask(umask)
            path.chmod(mode)
            bound.listen(backlog)  # from now on it is not taken for a dead service's
        except OSError:
            bound.close()
            raise
        return bound, SocketFile.at(path)


def _remove_dead(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise CommandFailed(
            f"Cannot listen on {path}: it exists and is not a socket.",
            SAID_NO,
            advice="Choose another path with --uds.",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a service with a full queue would let it wait
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
