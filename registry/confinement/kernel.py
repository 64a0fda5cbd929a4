"""System calls that Python does not wrap, by ctypes. Linux only; elsewhere all of them fail.

Every call raises OSError where the kernel refuses it or does not have it.
"""

import ctypes
import errno
import os
import sys
from functools import cache

MACHINE = os.uname().machine if sys.platform == "linux" else ""

# C libraries have no wrappers for these. The numbers are the same on every architecture.
_LANDLOCK = {
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38

_CAPABILITY_VERSION_3 = 0x20080522


@cache
def _libc() -> ctypes.CDLL:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "not Linux")
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def landlock_call(name: str, *arguments: object) -> int:
    """Make the Landlock call ``name`` and return its result."""
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _checked(_libc().syscall(ctypes.c_long(_LANDLOCK[name]), *wide))


def prctl(option: int, *arguments: object) -> None:
    """Change an attribute of this process. Missing arguments, of four, are 0."""
    given = [*arguments, *[0] * (4 - len(arguments))]
    wide = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in given]
    _checked(_libc().prctl(option, *wide))


def unshare(flags: int) -> None:
    """Move this process to new namespaces of the kinds in ``flags``."""
    _checked(_libc().unshare(flags))


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount, bind or change a mount."""
    _checked(
        _libc().mount(
            os.fsencode(source),
            os.fsencode(target),
            kind.encode() or None,
            ctypes.c_ulong(flags),
            options.encode() or None,
        )
    )


def unmount(target: str) -> None:
    """Detach the mount; it ends when it is no longer in use."""
    _checked(_libc().umount2(os.fsencode(target), MNT_DETACH))


def enter_root(root: str) -> None:
    """Make ``root``, a mount, the root of this process, and unmount the previous one."""
    os.chdir(root)
    # Both in one place: the old root lies on the new one until it is unmounted (pivot_root(2)).
    _checked(_libc().pivot_root(b".", b"."))
    unmount(".")
    os.chdir("/")


def drop_capabilities() -> None:
    """Drop every capability, including those that could be raised again."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _checked(_libc().capset(header, (ctypes.c_uint32 * 6)()))
