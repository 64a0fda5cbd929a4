"""Landlock: which files a process may open, irrevocably (kernel.org, userspace-api/landlock).

The ruleset handles every right that the running kernel knows, so what no rule allows is refused.
"""

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from registry.confinement.kernel import landlock_call

_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE = 1 << 13, 1 << 14

_FILES_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights to files, by the first version of the interface that has them."""
_TCP_ABI, _TCP = 4, 0b11
"""Bind and connect."""
SCOPE_ABI, _SCOPE = 6, 0b11
"""Abstract Unix sockets and signals only reach other confined processes."""

_READ = _READ_FILE | _READ_DIR
_OWN = (
    *(_READ, _WRITE_FILE, _REMOVE_DIR, _REMOVE_FILE),
    *(_MAKE_DIR, _MAKE_REG, _REFER, _TRUNCATE),
)
_ON_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE


class _Ruleset(ctypes.Structure):
    _fields_ = [
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    ]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def abi() -> int:
    """The version of the kernel's interface; 0 where it has none or it is disabled."""
    try:
        return landlock_call("landlock_create_ruleset", None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def restrict(readable: Iterable[Path], own: Path | None) -> None:
    """Allow this process only to read below ``readable``, and to read and write below ``own``.

    It takes effect at once, for this thread and its descendants, and cannot be undone. Paths that
    do not exist are skipped. The process must have set no_new_privs.

    Raises OSError where the kernel has no Landlock.
    """
    version = abi()
    rights = max((files for first, files in _FILES_BY_ABI.items() if first <= version), default=0)
    rules = _Ruleset(rights, _TCP if version >= _TCP_ABI else 0, _SCOPE)
    # A kernel accepts only as much of the structure as it knows.
    size = 24 if version >= SCOPE_ABI else 16 if version >= _TCP_ABI else 8
    ruleset = landlock_call("landlock_create_ruleset", ctypes.byref(rules), size, 0)
    try:
        for path in readable:
            with suppress(FileNotFoundError):
                _allow(ruleset, path, _READ & rights)
        if own is not None:
            _allow(ruleset, own, sum(_OWN) & rights)
        landlock_call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _PathBeneath(rights if path.is_dir() else rights & _ON_FILES, descriptor)
        landlock_call("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)
