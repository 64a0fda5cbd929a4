"""Has tasks that look after the data directory done by one process of the server."""

import logging
from collections.abc import Callable, Mapping

from sqlalchemy.exc import SQLAlchemyError

from registry.errors import RegistryError
from registry.live.repeated import Repeated
from registry.storage.election import Election

logger = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""Between two looks at whether a task is due."""
PAUSE_SECONDS = 0.05
"""Between two parts of a task, which take about a twentieth of that."""

Pause = Callable[[], bool]
"""Called between two parts of a task; whether to go on."""
Task = Callable[[Pause], object]
"""Does its work if that is due. Raises RegistryError."""


class Housekeeping:
    """Calls ``tasks``, each by what it does, one after another from time to time, in the process
    that wins ``election``."""

    def __init__(self, tasks: Mapping[str, Task], election: Election) -> None:
        self._tasks = tasks
        self._election = election
        self._repeated = Repeated(self.look, LOOK_SECONDS, "housekeeping")

    def start(self) -> None:
        """Do the tasks from now on."""
        self._repeated.start()

    def close(self) -> None:
        """End a task that is under way, and leave the tasks to another process."""
        self._repeated.close()
        self._election.leave()

    def look(self) -> None:
        """Do the tasks that are due if this is the process that does. Failures are logged."""
        for name, task in self._tasks.items():
            try:
                if self._election.is_won():
                    task(lambda: self._repeated.pause(PAUSE_SECONDS))
            except (RegistryError, SQLAlchemyError, OSError) as error:
                logger.warning("%s failed, and is tried again: %s", name, error)
