"""Starts the keeper beside the workers, and again when it has ended."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-P", "-m", "cli", "watch", "run", "--attached")
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""The pauses before another start, which double. A keeper that ran for longer than the longest
begins with the first again."""
END_SECONDS = 2.0
"""How long ``close`` waits for a keeper that was asked to stop."""


class KeeperProcess:
    """The keeper that this process starts, with ``command``, and starts again when it has ended.

    It ends with this process, however that ends: it reads a pipe that the kernel then closes.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command = command
        self._sleep = sleep
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._replacing = False

    def start(self) -> None:
        """Start it now, and again whenever it has ended."""
        threading.Thread(target=self._keep_running, name="keeper", daemon=True).start()

    @property
    def pid(self) -> int | None:
        """The process id of the keeper that runs; None where none does."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def replace(self) -> None:
        """Have another one take its place."""
        self._replacing = True
        self._terminate()

    def stop(self) -> None:
        """Ask it to stop, for good. Returns at once; may be called by a signal handler."""
        self._stopping = True
        self._terminate()

    def close(self) -> None:
        """Stop it, and wait until it has ended; one that does not in time is killed."""
        self.stop()
        process = self._process
        if process is None:
            return
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _terminate(self) -> None:
        process = self._process
        if process is not None:
            process.terminate()

    def _keep_running(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping:
            began = self._clock()
            ended = self._run()
            if self._stopping:
                return
            if self._clock() - began > LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            if self._replacing:
                self._replacing = False
                continue
            logger.error("the keeper %s; another one is started in %g s", ended, pause)
            self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _run(self) -> str:
        """Run it until it ends; how it ended."""
        try:
            process = subprocess.Popen(self._command, stdin=subprocess.PIPE)  # noqa: S603 - our own
        except OSError as error:
            return f"could not be started: {error.strerror}"
        with process:
            self._process = process
            if self._stopping:  # meanwhile, so ``stop`` did not find it
                process.terminate()
            code = process.wait()
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
