"""Versions that other hosts request this one to load before they move an alias."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from sqlalchemy.exc import SQLAlchemyError

from registry.errors import RegistryError, VersionNotLoadable
from registry.hosts.driving import complete
from registry.hosts.renewer import answer_asked
from registry.hosts.store import Asked, HostStore, Presence
from registry.live.counter import Counter
from registry.live.prepare import Preparer
from registry.live.watch import FindUsable, Watch
from registry.storage.database import Database

logger = logging.getLogger(__name__)

Load = Callable[[str, int], AbstractContextManager[None]]
"""Loads version ``number`` of ``model`` in every worker of this host, and keeps it loaded while the
context manager that it returns is entered; raises RegistryError."""

_NO_THREAD = "It can start no thread at present."


def loader_of(database: Database, find: FindUsable, preparer: Preparer) -> Load:
    """Loads versions that ``find`` looks up."""

    @contextmanager
    def load(model: str, number: int) -> Iterator[None]:
        with database.read() as session:
            version = find(session, model, str(number))
        with preparer.prepared(version):
            yield

    return load


class AskedVersions:
    """The workers of this host, as their renewer ``me`` sees them."""

    def __init__(
        self, store: HostStore, me: Presence, *, counter: Counter, watch: Watch, load: Load
    ) -> None:
        self._store = store
        self._me = me
        self._counter = counter
        self._watch = watch
        self._load = load
        self._held: dict[int, threading.Event] = {}
        """By the id of the promotion; set when the version is to be released."""

    def announce(self) -> None:
        self._counter.bump()

    def prepare(self, asked: Iterable[Asked]) -> None:
        for one in asked:
            if one.promotion in self._held:
                continue
            released = self._held[one.promotion] = threading.Event()
            # Each in a thread of its own: the beats of the host go on meanwhile.
            thread = threading.Thread(
                target=self._answer, args=(one, released), name="asked", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:
                del self._held[one.promotion]
                logger.warning("no version can be loaded for another host: %s", error)
                complete(answer_asked(self._store, self._me, one, lambda *_: _NO_THREAD))

    def release(self, preparing: frozenset[int]) -> None:
        for promotion, released in tuple(self._held.items()):
            if promotion not in preparing:
                released.set()

    def are_loaded(self) -> bool:
        return self._watch.is_loaded()

    def _answer(self, asked: Asked, released: threading.Event) -> None:
        try:
            with ExitStack() as loaded:
                complete(answer_asked(self._store, self._me, asked, self._loader(loaded)))
                released.wait()
        except (RegistryError, SQLAlchemyError) as error:
            logger.warning("another host was not answered, and is at the next beat: %s", error)
        finally:
            self._held.pop(asked.promotion, None)

    def _loader(self, loaded: ExitStack) -> Callable[[str, int], str | None]:
        def load(model: str, number: int) -> str | None:
            try:
                loaded.enter_context(self._load(model, number))
            except VersionNotLoadable as error:
                return error.why
            except RegistryError as error:
                return error.detail
            return None

        return load
