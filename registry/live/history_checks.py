"""Has the history verified by one process of the server."""

import logging
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from registry.errors import RegistryError
from registry.storage.election import Election

logger = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""Between two looks at whether a check is due."""
PAUSE_SECONDS = 0.05
"""Between two parts of a check. It takes a twentieth of that to verify one."""

Check = Callable[[Callable[[], bool]], None]
"""Verifies the history if that is due; calls its argument between two parts, which returns whether
to go on. Raises RegistryError."""


class HistoryChecks:
    """Calls ``check`` from time to time, in the process that wins ``election``."""

    def __init__(self, check: Check, election: Election) -> None:
        self._check = check
        self._election = election
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Check from now on."""
        self._thread = threading.Thread(target=self._keep_checking, name="history", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End a check that is under way, and leave the checks to another process."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._election.leave()

    def look(self) -> None:
        """Check if this is the process that does. A failure is logged."""
        try:
            if self._election.is_won():
                self._check(lambda: not self._stop.wait(PAUSE_SECONDS))
        except (RegistryError, SQLAlchemyError, OSError) as error:
            logger.warning("the history is not verified yet: %s", error)

    def _keep_checking(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.look()
