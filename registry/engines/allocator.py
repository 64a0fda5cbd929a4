"""How glibc's allocator returns memory to the system. With other allocators this does nothing."""

import ctypes

_MMAP_THRESHOLD = -3
"""The parameter's number in glibc's malloc.h."""
_LARGE_BLOCK = 2**20


def map_large_blocks() -> None:
    """Map blocks of a megabyte or more separately, so that each is returned when it is freed.

    By default glibc maps blocks from 128 KiB on, but raises the limit to the size of the largest
    block freed so far, up to 32 MiB. Smaller blocks are in a heap that shrinks only from its end
    (mallopt(3), M_MMAP_THRESHOLD).
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _LARGE_BLOCK)


def release_free_memory() -> None:
    """Return the free memory of the heaps to the system (malloc_trim(3))."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
