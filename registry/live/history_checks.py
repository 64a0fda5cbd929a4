"""Has the history verified by one process of the server."""

import logging
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from registry.errors import RegistryError
from registry.live.repeated import Repeated
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
        self._repeated = Repeated(self.look, LOOK_SECONDS, "history")

    def start(self) -> None:
        """Check from now on."""
        self._repeated.start()

    def close(self) -> None:
        """End a check that is under way, and leave the checks to another process."""
        self._repeated.close()
        self._election.leave()

    def look(self) -> None:
        """Check if this is the process that does. A failure is logged."""
        try:
            if self._election.is_won():
                self._check(lambda: self._repeated.pause(PAUSE_SECONDS))
        except (RegistryError, SQLAlchemyError, OSError) as error:
            logger.warning("the history is not verified yet: %s", error)
