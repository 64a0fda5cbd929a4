"""Namespaces for the process that forks confined ones: no network, a private file system.

The private file system holds what may be read, bind-mounted from the real one, and a place for
temporary folders in memory. It ends with the last process in it. This also works where the folders
above a Python installation are closed to other users, as root's home is.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from registry.confinement.kernel import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    enter_root,
    mount,
    unmount,
    unshare,
)

_FOLDERS = Path("/run/confined")
"""Where the private file system has temporary folders."""
_INODES = 1024


def isolate_network() -> None:
    """Move this process to a namespace without a network, by a user namespace unless it is root.

    Raises OSError where that is not allowed.
    """
    if os.geteuid() != 0:
        _own_user_namespace()
    unshare(CLONE_NEWNET | CLONE_NEWIPC)


def _own_user_namespace() -> None:
    """Enter a user namespace in which this user, with the same id, may create namespaces."""
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def isolate_filesystem(readable: Iterable[Path]) -> None:
    """Move this process to a file system of only ``readable``, after ``isolate_network``.

    Raises OSError where that is not allowed; the file system is unchanged then.
    """
    unshare(CLONE_NEWNS)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    # The root is mounted on a folder that every system has; only this process sees it there.
    root = Path("/proc")
    mount("tmpfs", str(root), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
    for path in readable:
        if path.exists():
            _bind(path, root)
    (root / _FOLDERS.relative_to("/")).mkdir(parents=True)
    enter_root(str(root))


def leave_working_folder() -> None:
    """Make an empty folder the working folder, and remove it.

    No relative path leads to a file from there, except through parent folders. Raises OSError where
    no folder can be created; the working folder is the root then.
    """
    os.chdir("/")
    folder = Path(tempfile.mkdtemp())
    os.chdir(folder)
    folder.rmdir()


def _bind(path: Path, root: Path) -> None:
    target = root / path.relative_to("/")
    if path.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(str(path.resolve()), str(target), flags=MS_BIND | MS_REC)
    # A user namespace may not drop flags of the original mount; Landlock also forbids writing.
    with suppress(OSError):
        mount("none", str(target), flags=MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)


def make_folder(number: int, user: int, group: int, size: int) -> Path:
    """Create a temporary folder of at most ``size`` bytes in the private file system.

    It belongs to ``user`` and ``group``. Raises OSError.
    """
    folder = _FOLDERS / str(number)
    folder.mkdir()
    options = f"mode=700,uid={user},gid={group},size={size},nr_inodes={_INODES}"
    mount("tmpfs", str(folder), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options)
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder of ``make_folder`` and its content."""
    unmount(str(folder))
    shutil.rmtree(folder)
