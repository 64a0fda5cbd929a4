"""glibc's allocator, and how it gives memory back to the system.

Elsewhere these do nothing: other allocators do as they please.
"""

import ctypes

_MMAP_THRESHOLD = -3
"""The parameter's number in glibc's malloc.h."""
_LARGE_BLOCK = 2**20


def map_large_blocks() -> None:
    """Take blocks of a megabyte and more from the system, and return them as soon as they are free.

    glibc does so from 128 KiB on, but only until such a block is freed: then it keeps blocks up to
    that size, and 32 MiB in the end, in a heap that shrinks from its end alone (mallopt(3)).
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _LARGE_BLOCK)


def give_back_memory() -> None:
    """Return what is free in the heaps."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
