"""A thread that does something from time to time."""

import threading
from collections.abc import Callable


class Repeated:
    """Calls ``task``, which must not raise, every ``seconds`` in a thread called ``name``."""

    def __init__(self, task: Callable[[], None], seconds: float, name: str) -> None:
        self._task = task
        self._seconds = seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Call it from now on; the first time after ``seconds``."""
        self._thread.start()

    def pause(self, seconds: float) -> bool:
        """Wait in the middle of the task; whether it should go on."""
        return not self._closing.wait(seconds)

    def close(self) -> None:
        """Call it no more. Returns when a call that is under way has ended."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while self.pause(self._seconds):
            self._task()
