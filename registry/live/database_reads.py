"""Reads of the database by a worker, and whether they fail at present."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from registry.errors import DatabaseBusy, DatabaseUnavailable, RegistryError
from registry.live.counter import Counter
from registry.storage.database import Database

logger = logging.getLogger(__name__)


class _Failure(NamedTuple):
    """The database could not be read when the counter had this value."""

    counter: int
    error: DatabaseBusy | DatabaseUnavailable


class DatabaseReads:
    """Reads ``database``, and keeps the last failure until a read succeeds. Thread-safe."""

    def __init__(self, database: Database, counter: Counter) -> None:
        self._database = database
        self._counter = counter
        self._failure: _Failure | None = None

    @property
    def failing(self) -> bool:
        """Whether the last read failed."""
        return self._failure is not None

    @contextmanager
    def session(self, counter: int) -> Iterator[Session]:
        """A session to read with, begun when the counter had the value ``counter``.

        Raises DatabaseBusy, or DatabaseUnavailable for any other fault of the database.
        """
        try:
            with self._database.read() as session:
                yield session
        except (RegistryError, SQLAlchemyError) as error:
            busy = isinstance(error, DatabaseBusy)
            failure = DatabaseBusy() if busy else DatabaseUnavailable()
            if self._failure is None:
                logger.warning("the database cannot be read; serving from memory: %s", error)
            self._failure = _Failure(counter, failure)
            raise failure from error
        if self._failure is not None:
            logger.info("the database can be read again")
            self._failure = None

    def raise_failure(self) -> None:
        """Raise the last failure again, unless the counter has changed since."""
        failure = self._failure
        if failure is not None and failure.counter == self._counter.value:
            raise type(failure.error) from failure.error
