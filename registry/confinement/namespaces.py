"""Namespaces of its own for a process that makes confined ones: no network, a file system of parts.

The file system holds what may be read, bound from the real one, and a place for temporary folders
in memory. It goes when the last process in it does, whatever became of whoever made it. This works
also where the folders above a Python installation are closed to other users, as root's home is.
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
"""Where temporary folders stand in the file system of parts."""
_INODES = 1024


def isolate_network() -> None:
    """Go where there is no network. As another user than root this takes a user namespace.

    Raises OSError where that is not allowed.
    """
    if os.geteuid() != 0:
        _own_user_namespace()
    unshare(CLONE_NEWNET | CLONE_NEWIPC)


def _own_user_namespace() -> None:
    """Where this user may make namespaces, and is still itself."""
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def isolate_filesystem(readable: Iterable[Path]) -> None:
    """Go where there is nothing but ``readable``. ``isolate_network`` comes first.

    Raises OSError where that is not allowed; the files are then still those of before.
    """
    unshare(CLONE_NEWNS)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    # The root is built upon a folder that is there everywhere and, from here on, seen by us alone.
    root = Path("/proc")
    mount("tmpfs", str(root), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
    for path in readable:
        if path.exists():
            _bind(path, root)
    (root / _FOLDERS.relative_to("/")).mkdir(parents=True)
    enter_root(str(root))


def leave_working_folder() -> None:
    """Make a folder that is empty, and already removed again, the working folder.

    No relative path leads to a file from there, unless it names folders above. Raises OSError where
    no folder can be made; the working folder is then the root.
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
    # A user namespace may not loosen what the mount forbids; Landlock forbids writing anyway.
    with suppress(OSError):
        mount("none", str(target), flags=MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)


def make_folder(number: int, user: int, group: int, size: int) -> Path:
    """A temporary folder that holds ``size`` bytes, in the file system of parts.

    It belongs to ``user`` and ``group``. Raises OSError.
    """
    folder = _FOLDERS / str(number)
    folder.mkdir()
    options = f"mode=700,uid={user},gid={group},size={size},nr_inodes={_INODES}"
    mount("tmpfs", str(folder), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options)
    return folder


def remove_folder(folder: Path) -> None:
    """Remove what ``make_folder`` made, with all that is in it."""
    unmount(str(folder))
    shutil.rmtree(folder)
