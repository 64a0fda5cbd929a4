"""Takes the steps of the protocol, one after the other, in the calling thread."""

import time

from registry.hosts.protocol import WAIT, Result, Steps

_FIRST_SECONDS = 0.001
_LONGEST_SECONDS = 0.05


def complete(steps: Steps[Result]) -> Result:
    """Take all of ``steps`` and return what they return. Raises what they raise.

    The pauses where they wait for other hosts begin with a millisecond and double.
    """
    pause = _FIRST_SECONDS
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            found: Result = end.value
            return found
        if step == WAIT:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_SECONDS)
