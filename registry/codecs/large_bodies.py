"""Limits the decoding of large bodies that cannot be decoded in pieces: invalid or unusual ones."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SMALL_BODY = 2**16
"""Bodies up to this many bytes are not limited: they are decoded in less than a millisecond."""

_one = threading.Lock()


@contextmanager
def one_large_body_at_a_time(body: bytes) -> Iterator[None]:
    """In this block ``body`` is decoded; other threads with a large body wait.

    It may need thirty times its size. The garbage collector is off meanwhile, because it would
    visit all cells repeatedly and find nothing to free.
    """
    if len(body) <= SMALL_BODY:
        yield
        return
    with _one:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if was_enabled:
                gc.enable()
