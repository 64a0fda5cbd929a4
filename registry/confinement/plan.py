"""How this machine can confine a process, found out by trial, and which defences it lacks."""

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal

from registry.confinement import landlock, seccomp
from registry.confinement.namespaces import (
    isolate_filesystem,
    isolate_network,
    leave_working_folder,
)

NOBODY = 65534
_FIRST_USER = 0x30000000
_USERS_EACH = 256
"""User ids of each zygote, so that no two confined processes have the same one."""

Users = Literal["own", "nobody", "same"]

_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
_LIBRARY_FOLDERS = {"site-packages", "dist-packages", "lib-dynload"}


@dataclass(frozen=True, slots=True)
class Plan:
    """How this process's children are confined.

    ``users``: whether each gets a user id of its own, that of nobody, or keeps this process's.
    ``folders``: whether they can have temporary folders. ``missing``: the defences that this
    machine lacks, in words.
    """

    readable: tuple[Path, ...] = ()
    users: Users = "same"
    landlock: bool = False
    seccomp: bool = False
    folders: bool = False
    missing: tuple[str, ...] = field(default=())

    def user(self, place: int) -> int:
        """The user id of the child number ``place``."""
        if self.users == "own":
            return _FIRST_USER + os.getpid() % 2**22 * _USERS_EACH + place % _USERS_EACH
        return NOBODY if self.users == "nobody" else os.geteuid()

    def group(self, place: int) -> int:
        """The group id of the child number ``place``."""
        return os.getegid() if self.users == "same" else self.user(place)


def candidates(readable: tuple[Path, ...], *, folders: bool) -> Iterator[Plan]:
    """The plans to try, the strictest first; the last one requires nothing of the kernel."""
    users: tuple[Users, ...] = ("own", "nobody", "same") if os.geteuid() == 0 else ("same",)
    locks = (True, False) if landlock.abi() else (False,)
    filters = (True, False) if seccomp.supported() else (False,)
    for user, lock, filtered in product(users, locks, filters):
        yield Plan(readable, user, lock, filtered, folders)


def isolate(readable: Iterable[Path]) -> tuple[bool, list[str]]:
    """Isolate this process from the network and from all files but ``readable``.

    Returns whether it has a private file system, and what failed. Without one, its working folder
    is an empty one.
    """
    failure = _enter_namespaces(readable)
    if failure is None:
        return True, []
    try:
        leave_working_folder()
    except OSError as error:
        return False, [
            failure,
            f"no empty working folder: {error.strerror}. In confined processes relative paths "
            "start at the root of the file system. Allow the service to write to /tmp.",
        ]
    return False, [failure]


def _enter_namespaces(readable: Iterable[Path]) -> str | None:
    """Isolate this process by namespaces; what failed, in words."""
    try:
        isolate_network()
    except OSError as error:
        return (
            f"no network namespace and no private file system: {error.strerror}. Only the filter "
            "of system calls blocks sockets, and confined processes have no temporary folder."
        )
    try:
        isolate_filesystem(readable)
    except OSError as error:
        return (
            f"no private file system: {error.strerror}. Confined processes see every file that "
            "Landlock and file permissions do not block, and have no temporary folder."
        )
    return None


def shortcomings(plan: Plan) -> list[str]:
    """The defences that ``plan`` lacks, in words for an operator."""
    missing = []
    if sys.platform != "linux":
        return ["this system is not Linux: only resource limits confine uploads."]
    version = landlock.abi()
    if not plan.landlock:
        missing.append(
            "no Landlock (available since Linux 5.13, if enabled): it does not limit which files "
            "confined processes may open."
        )
    elif version < landlock.SCOPE_ABI:
        missing.append(
            f"an older Landlock, version {version}, where {landlock.SCOPE_ABI} (Linux 6.12) is "
            "required to block TCP, abstract sockets and signals: some of them are not blocked."
        )
    if not plan.seccomp:
        missing.append(
            "no filter of system calls (requires seccomp, on x86_64 or aarch64): confined "
            "processes may make any call, such as one for a new process or a socket."
        )
    if plan.users == "nobody":
        missing.append(
            "no spare user ids: all confined processes share that of nobody. Give the container "
            "more than 65,536 user ids."
        )
    elif os.geteuid() == 0 and plan.users == "same":
        missing.append(
            "no separate user: confined processes stay root, without its capabilities, since "
            "the process cannot change to another user, or other users cannot read this Python "
            "installation. Run the service as a user without privileges, or install it where "
            "all users may read."
        )
    return missing


def readable_paths() -> tuple[Path, ...]:
    """What a confined Python process has to read: libraries and the modules that it imported.

    Only folders that hold libraries and nothing else: the folder of this package, or the one that
    the service was started in, may also hold the data.
    """
    found = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    found += [entry for entry in sys.path if Path(entry).name in _LIBRARY_FOLDERS]
    found += _SYSTEM_LIBRARIES
    roots = [Path(path) for path in dict.fromkeys(found) if path and Path(path).exists()]
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file is None or any(Path(file).is_relative_to(root) for root in roots):
            continue
        roots.append(Path(file).parent if hasattr(module, "__path__") else Path(file))
    return tuple(root for root in roots if root.is_absolute() and root.exists())
