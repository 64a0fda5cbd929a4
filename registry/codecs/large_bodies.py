"""Large bodies that have to be decoded at once, because something is wrong or unusual in them."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SMALL_BODY = 2**16
"""Bodies up to this size are decoded at once anyway: that takes less than a millisecond."""

_one = threading.Lock()


@contextmanager
def one_large_body_at_a_time(body: bytes) -> Iterator[None]:
    """Decode the whole ``body`` in this block.

    One large body at a time, since it may need thirty times its size; and without the garbage
    collector, which would go through all of its cells again and again to find nothing.
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
