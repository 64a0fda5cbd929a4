"""Renews the lease of a host, in one of its workers at a time."""

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from registry.errors import HistoryReplaced, HostNotAlone, HostReplaced, RegistryError
from registry.hosts.driving import complete
from registry.hosts.renewer import Renewer
from registry.live.lease import Lease
from registry.storage.election import Election

logger = logging.getLogger(__name__)

BEATS = 4
"""In one lease."""
LOOK_SECONDS = 0.5
"""Between two attempts to become the process that renews it, after the former one has ended."""
JOIN_SECONDS = 0.1
"""Between two beats of a host that has yet to load what is live."""
RETRY_SECONDS = 0.5
"""At most, after a beat that failed."""


class Renewal:
    """Takes the steps of a renewer, made by ``make``, in a thread of the process that wins
    ``election``; ``seconds`` is the length of a lease.

    A renewer whose host was replaced is not followed by another: this process keeps the election
    until the host is started again. Where the history was replaced, another one joins, for which
    the workers read everything again; and where another host expects to be the only one, as soon as
    that is gone.
    """

    def __init__(
        self, make: Callable[[], Renewer], lease: Lease, election: Election, seconds: float
    ) -> None:
        self._make = make
        self._lease = lease
        self._election = election
        self._between = seconds / BEATS
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._failure = ""
        """The kind of the failure that lasts at present."""
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)

    def start(self) -> None:
        """Try to become the process that renews the lease, from now on."""
        self._thread.start()

    def wake(self) -> None:
        """Have the next beat now."""
        self._wake.set()

    def close(self) -> None:
        """Leave it to another process."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._election.leave()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                won = self._election.is_won()
            except OSError as error:
                logger.warning("nobody may renew the lease of this host: %s", error)
                won = False
            if won:
                self._renew()
            self._stopping.wait(LOOK_SECONDS)

    def _renew(self) -> None:
        """Beat until this process stops, or must not go on. Whatever else is raised, the next beat
        tries again: no other process renews the lease while this one lives."""
        renewer: Renewer | None = None
        entered = False
        while not self._stopping.is_set():
            began = time.monotonic()
            self._wake.clear()
            pause = 0.0
            try:
                if renewer is None:
                    renewer = self._make()
                if not entered:
                    complete(renewer.enter())
                    entered = True
                if not complete(renewer.beat()):
                    pause = self._pause()
                self._succeeded()
            except HostReplaced as error:
                logger.critical("this host answers no more: %s", error)
                self._stopping.wait()
            except HistoryReplaced as error:
                logger.critical("this host joins again, and reads everything again: %s", error)
                return
            except HostNotAlone as error:
                self._make_way(renewer if entered else None, error)
                return
            except Exception as error:  # noqa: BLE001
                self._failed(error)
                pause = min(RETRY_SECONDS, self._between)
            self._wake.wait(max(0.0, began + pause - time.monotonic()))

    def _pause(self) -> float:
        return min(JOIN_SECONDS, self._between) if self._lease.is_over() else self._between

    def _succeeded(self) -> None:
        if self._failure:
            logger.info("the lease of this host is renewed again")
        self._failure = ""

    def _make_way(self, renewer: Renewer | None, error: HostNotAlone) -> None:
        """Have the other host find that this one is gone, if it had entered with ``renewer``."""
        if self._is_new(error):
            logger.critical("this host answers no more while that lasts: %s", error)
        try:
            if renewer is not None:
                complete(renewer.leave())
        except (RegistryError, SQLAlchemyError) as fault:
            logger.info("the row of this host stays until its lease is over: %s", fault)

    def _is_new(self, error: Exception) -> bool:
        """Whether the failure that lasts is another one than before."""
        before, self._failure = self._failure, type(error).__name__
        return before != self._failure

    def _failed(self, error: Exception) -> None:
        if not self._is_new(error):
            return
        expected = isinstance(error, RegistryError | SQLAlchemyError | OSError)
        logger.log(
            logging.WARNING if expected else logging.ERROR,
            "the lease of this host, which ends in %.1f s, is not renewed: %s",
            max(0.0, self._lease.seconds_left()),
            error,
            exc_info=None if expected else error,
        )
