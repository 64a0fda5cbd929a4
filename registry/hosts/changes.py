"""Makes the changes of one process hold on all hosts before they are answered."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from registry.errors import RegistryError
from registry.hosts.driving import complete
from registry.hosts.promoter import Promoter
from registry.hosts.sql_store import SqlHostStore, commit_promotion

logger = logging.getLogger(__name__)

PREPARE_SECONDS = 25.0
"""How long a host may take to load a version, as the workers of one host."""
TOUCH_SECONDS = 10.0
"""How often a process says that it still prepares a promotion; nobody abandons it for 60 s then."""
ANNOUNCE_SECONDS = 0.01
"""How long changes that nobody waits for are collected before the other hosts are woken."""
_NANOSECONDS = 10**9


class PreparedPromotion:
    """A version that all live hosts have loaded."""

    def __init__(self, promotion: int) -> None:
        self._promotion = promotion

    def commit(self, session: Session) -> None:
        """Note, within the transaction that moves the alias, that it was promoted.

        Raises PromotionAbandoned, and VersionNotLoadable where a host has failed in the meantime.
        """
        commit_promotion(session, self._promotion)


class HostChanges:
    """The promoter of a process, and what wakes other hosts after changes that nobody waits for.

    ``patience``: how many seconds the database may be unreachable before a change that is committed
    is answered with an error. ``touch_seconds``: how often promotions that are being prepared are
    touched.
    """

    def __init__(
        self,
        store: SqlHostStore,
        promoter: Promoter,
        patience: float,
        *,
        touch_seconds: float = TOUCH_SECONDS,
    ) -> None:
        self._touch_seconds = touch_seconds
        self._store = store
        self._promoter = promoter
        self._patience = patience
        self._pending = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)

    def start(self) -> None:
        """Wake other hosts from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and close the connections."""
        self._closing = True
        self._pending.set()
        if self._thread.is_alive():
            self._thread.join()
        self._store.close()

    def announce(self) -> None:
        """Have the other hosts woken soon. Returns at once."""
        self._pending.set()

    @contextmanager
    def prepared(self, model: str, number: int) -> Iterator[PreparedPromotion]:
        """Have every other live host load the version, and keep it until the block ends, however
        long it takes.

        Raises VersionNotLoadable, which names the host; Unavailable.
        """
        patience = round(PREPARE_SECONDS * _NANOSECONDS)
        promotion = complete(self._promoter.prepare(model, number, patience))
        ended = threading.Event()
        touching = threading.Thread(
            target=self._touch, args=(promotion, ended), name="promotion", daemon=True
        )
        touching.start()
        try:
            yield PreparedPromotion(promotion)
        finally:
            ended.set()
            try:
                self._store.fail(promotion)  # unless it was committed
            except (RegistryError, SQLAlchemyError) as error:
                logger.warning("other hosts release %s/%d later: %s", model, number, error)

    def confirm(self) -> tuple[str, ...]:
        """Wait until what was committed holds on every host; the hosts that have not acknowledged
        it, whose leases are over. Raises DatabaseUnavailable."""
        self._pending.clear()  # they are woken at once
        return complete(self._promoter.confirm(round(self._patience * _NANOSECONDS)))

    def _touch(self, promotion: int, ended: threading.Event) -> None:
        while not ended.wait(self._touch_seconds):
            try:
                self._store.touch(promotion)
            except (RegistryError, SQLAlchemyError) as error:
                logger.info("promotion %d is touched later: %s", promotion, error)

    def _run(self) -> None:
        while not self._closing:
            self._pending.wait()
            time.sleep(ANNOUNCE_SECONDS)
            if self._closing or not self._pending.is_set():
                continue
            self._pending.clear()
            try:
                self._store.notify()
            except (RegistryError, SQLAlchemyError) as error:
                logger.info("other hosts were not woken, and find the change later: %s", error)
