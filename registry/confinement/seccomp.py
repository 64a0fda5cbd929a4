"""A filter of system calls: allows those required to read, compute and answer, and no others.

All others fail with EPERM: processes, threads, sockets, signals to others, tracing, mounting,
devices, keys, and the calls of later kernels. The program is classic BPF; see seccomp(2).
"""

import ctypes
import errno
import os
import struct

from registry.confinement.kernel import MACHINE, PR_SET_SECCOMP, prctl

_MODE_FILTER = 2
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _GREATER, _RETURN = 0x20, 0x15, 0x25, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_CLONE3 = 435
_NEWEST = 450
"""Calls above, and clone3, fail with ENOSYS, so that libc falls back to older calls."""

_NONE = -1
"""A call that the architecture does not have."""

ALLOWED: dict[str, tuple[int, int]] = {
    "access": (21, _NONE),
    "brk": (12, 214),
    "chdir": (80, 49),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "close": (3, 57),
    "close_range": (436, 436),
    "dup": (32, 23),
    "dup2": (33, _NONE),
    "dup3": (292, 24),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "fadvise64": (221, 223),
    "fdatasync": (75, 83),
    "fstat": (5, 80),
    "fsync": (74, 82),
    "ftruncate": (77, 46),
    "futex": (202, 98),
    "getcpu": (309, 168),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getrandom": (318, 278),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "getuid": (102, 174),
    "lseek": (8, 62),
    "lstat": (6, _NONE),
    "madvise": (28, 233),
    "membarrier": (324, 283),
    "mkdir": (83, _NONE),
    "mkdirat": (258, 34),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "newfstatat": (262, 79),
    "open": (2, _NONE),
    "openat": (257, 56),
    "pipe2": (293, 59),
    "poll": (7, _NONE),
    "ppoll": (271, 73),
    "pread64": (17, 67),
    "preadv": (295, 69),
    "pselect6": (270, 72),
    "pwrite64": (18, 68),
    "read": (0, 63),
    "readlink": (89, _NONE),
    "readlinkat": (267, 78),
    "readv": (19, 65),
    "rename": (82, _NONE),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "restart_syscall": (219, 128),
    "rmdir": (84, _NONE),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "select": (23, _NONE),
    "set_robust_list": (273, 99),
    "sigaltstack": (131, 132),
    "stat": (4, _NONE),
    "statx": (332, 291),
    "sysinfo": (99, 179),
    "time": (201, _NONE),
    "times": (100, 153),
    "umask": (95, 166),
    "uname": (63, 160),
    "unlink": (87, _NONE),
    "unlinkat": (263, 35),
    "write": (1, 64),
    "writev": (20, 66),
}
"""The number of each call on x86_64 and on aarch64."""

CHECKED: dict[str, tuple[int, int]] = {
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "prlimit64": (302, 261),
    "tgkill": (234, 131),
}
"""Allowed with some arguments only; see ``_conditions``."""


def supported() -> bool:
    """Whether there is a filter for this architecture."""
    return MACHINE in _ARCHITECTURES


def restrict() -> None:
    """Filter the system calls of this process, irrevocably. It must have set no_new_privs.

    Raises OSError where the kernel has no such filters, or the architecture is not supported.
    """
    if not supported():
        raise OSError(errno.ENOSYS, f"no filter of system calls for {MACHINE or 'this system'}")
    code = program(MACHINE, os.getpid())
    instructions = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    prctl(PR_SET_SECCOMP, _MODE_FILTER, ctypes.c_char_p(header))


def program(machine: str, pid: int) -> bytes:
    """The filter for ``machine`` and the process ``pid``, in the kernel's format."""
    column = list(_ARCHITECTURES).index(machine)
    refused = _ERRNO | errno.EPERM
    unknown = _ERRNO | errno.ENOSYS
    code = [
        _step(_LOAD, _AT_ARCHITECTURE),
        _step(_EQUAL, _ARCHITECTURES[machine], yes=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _AT_NUMBER),
    ]
    for numbers in ALLOWED.values():
        if numbers[column] != _NONE:
            code += [_step(_EQUAL, numbers[column], no=1), _step(_RETURN, _ALLOW)]
    for name, conditions in _conditions(pid).items():
        block: list[bytes] = []
        for offset, values in conditions:
            block.append(_step(_LOAD, _AT_ARGUMENTS + offset))
            block += [_step(_EQUAL, value, yes=len(values) - i) for i, value in enumerate(values)]
            block.append(_step(_RETURN, refused))
        block.append(_step(_RETURN, _ALLOW))
        code += [_step(_EQUAL, CHECKED[name][column], no=len(block)), *block]
    code += [
        _step(_EQUAL, _CLONE3, yes=2),
        _step(_GREATER, _NEWEST, yes=1),
        _step(_RETURN, refused),
        _step(_RETURN, unknown),
    ]
    return b"".join(code)


def _conditions(pid: int) -> dict[str, list[tuple[int, tuple[int, ...]]]]:
    """For each checked call: the allowed values of the four bytes at an offset of its arguments.

    Each argument takes eight bytes, the low half first.
    """
    return {
        # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
        "fcntl": [(8, (0, 1, 2, 3, 4, 1030))],
        # TCGETS, which Python calls for every file it opens, FIONBIO and FIOCLEX
        "ioctl": [(8, (0x5401, 0x5421, 0x5451))],
        # It may query limits, not set them.
        "prlimit64": [(16, (0,)), (20, (0,))],
        # Only to itself, as abort() does.
        "tgkill": [(0, (pid,))],
    }


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """One instruction; ``yes`` and ``no``: how many of the next ones to skip."""
    return struct.pack("@HBBI", code, yes, no, value)
