"""Provides the locale that ONNX Runtime changes the case of text with.

Its operator StringNormalizer, with which skl2onnx begins the graph of a vectorizer, loads the
locale en_US.UTF-8 by that name. Images of containers seldom have it. The C library's own C.UTF-8
has the same upper and lower case letters, so it is loaded under that name.
"""

import ctypes
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

_NAME = "en_US.UTF-8"
_LOCALES = Path("/usr/lib/locale")
_TEMPORARY = Path("/tmp")  # noqa: S108 - a folder with a name of its own is created there
"""Not that of ``tempfile``, which would remember it: confined processes have another."""
_ALL_CATEGORIES = 0x1FBF
"""LC_ALL_MASK of glibc."""


def provide_locale() -> None:
    """Load en_US.UTF-8 for this process and all that are forked from it.

    Where the system has it, and where it cannot be provided, nothing changes.
    """
    if sys.platform != "linux" or _load():
        return
    # glibc remembers what it loaded by its path, so the folder is not needed afterwards.
    with suppress(OSError), tempfile.TemporaryDirectory(dir=_TEMPORARY) as folder:
        Path(folder, _NAME).symlink_to(_LOCALES / "C.utf8")
        os.environ["LOCPATH"] = f"{folder}:{_LOCALES}"
        if not _load():
            del os.environ["LOCPATH"]


def _load() -> bool:
    """Whether glibc can load it, which then stays in memory."""
    load = ctypes.CDLL(None).newlocale
    load.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
    load.restype = ctypes.c_void_p
    return load(_ALL_CATEGORIES, _NAME.encode(), None) is not None
