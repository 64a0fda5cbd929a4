"""What granian's main thread waits for between its tasks."""

import threading
from collections.abc import Callable

SIGNAL_SECONDS = 0.25
"""How long a signal may wait until its handler is called."""


class Interrupt(threading.Event):
    """An event for which waiting also ends when ``pending`` returns true, within SIGNAL_SECONDS.

    Python calls the handlers of signals in the main thread only, when that runs. Where another
    thread receives the signal, a main thread that waits for ever would never call them: about one
    of a hundred services did not stop on a SIGTERM that came soon after the start. And granian
    clears the event when it begins a reload, although a signal may just have set it.
    """

    def __init__(self, pending: Callable[[], bool]) -> None:
        super().__init__()
        self._pending = pending

    def wait(self, timeout: float | None = None) -> bool:
        """As ``threading.Event`` does; true if there is something to do."""
        if timeout is not None:
            return super().wait(timeout)
        while not super().wait(SIGNAL_SECONDS):
            if self._pending():
                break
        return True
