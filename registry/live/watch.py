"""Keeps what this worker knows equal to the database.

Every request asks here what its reference stands for. If the counter has moved since the last look,
the database is read before the answer; so a request that starts after a promotion was answered
cannot get the version before it. What is read is what the events since the last look name. A slow
poll catches what was committed and never announced, because the process died in between.

Where the database cannot be read, predictions go on from memory for as long as the counter stands
still: nothing was committed then. Once it has moved, what is in memory may be stale, and requests
are refused until somebody could read again.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from registry.engines.served_version import Key, ServedVersion
from registry.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    RegistryError,
    Unavailable,
    VersionLoading,
    VersionNotFound,
)
from registry.live.counter import Counter
from registry.live.observer import Observer
from registry.live.pool import LoadedVersion, Pool
from registry.live.snapshot import (
    KnownToken,
    Snapshot,
    changed_snapshot,
    last_event,
    not_ready,
    read_changes,
    read_snapshot,
    read_versions,
)
from registry.storage.database import Database
from registry.tokens import Grant, token_digest

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
_SHORT_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_ATTEMPTS = 5

FindUsable = Callable[[Session, str, str], ServedVersion]
"""Looks up a version that may answer; raises NotFound or VersionNotReady."""

_NONE: Mapping[str, int] = {}


class _Seen(NamedTuple):
    """A snapshot, what the counter showed before it was read, and the tokens shown since."""

    counter: int
    snapshot: Snapshot
    shown: dict[str, KnownToken]
    """By the token itself, to hash each one once. Holds none but good ones, so it stays small."""


class _Unread(NamedTuple):
    """The database could not be read when the counter showed this."""

    counter: int
    error: DatabaseBusy | DatabaseUnavailable


Caller = tuple[str | None, str, str]
"""An Authorization header, and the model and the reference that it is shown for."""


class AdmissionCache(NamedTuple):
    """Who was let through to which version, while neither the database nor the pool has moved."""

    seen: _Seen
    loaded: Mapping[Key, LoadedVersion]
    versions: dict[Caller, LoadedVersion]
    """Holds only what was found good, so it is no larger than tokens and references together."""


class Watch:
    """The serving state of one worker: resolves references and tokens from memory."""

    def __init__(
        self,
        database: Database,
        counter: Counter,
        pool: Pool,
        find_usable: FindUsable,
        observer: Observer | None = None,
    ) -> None:
        self._database = database
        self._counter = counter
        self._pool = pool
        self._find_usable = find_usable
        self._observer = observer or Observer()
        self._unread: _Unread | None = None
        self._refreshing = threading.Lock()
        self._seen = _Seen(-1, Snapshot(), {})
        self._passes = AdmissionCache(self._seen, pool.loaded, {})
        self._stop = threading.Event()
        pool.publishing = self._publishing
        self._poll: threading.Thread | None = None

    def start(self) -> None:
        """Read the state, begin to load what is live, and poll from now on."""
        self.snapshot()
        self._poll = threading.Thread(target=self._keep_up, name="watch", daemon=True)
        self._poll.start()

    def close(self) -> None:
        """Stop polling."""
        self._stop.set()
        if self._poll is not None:
            self._poll.join()

    def snapshot(self) -> Snapshot:
        """The state, as new as the last write that was announced before this call.

        Raises DatabaseBusy or DatabaseUnavailable where it moved and cannot be read.
        """
        return self._now().snapshot

    def cached(self, caller: Caller) -> LoadedVersion | None:
        """The version that ``caller`` got before, if it is certain that it would get it again."""
        seen, loaded, versions = self._passes
        if (
            seen is not self._seen
            or loaded is not self._pool.loaded
            or seen.counter != self._counter.view[0]
        ):
            return None
        version = versions.get(caller)
        if version is not None:
            version.last_used = time.monotonic()
        return version

    def passes(self) -> AdmissionCache:
        """Where to note, once it is found good, what a caller gets.

        To be taken before it is looked for: what moves in between then makes the note void.
        """
        passes = self._passes
        if passes.seen is not self._seen or passes.loaded is not self._pool.loaded:
            passes = self._passes = AdmissionCache(self._seen, self._pool.loaded, {})
        return passes

    def resolve(self, model: str, reference: str) -> LoadedVersion:
        """The loaded version that ``reference`` of ``model`` stands for now.

        Raises NameMalformed, ReferenceMalformed, NotFound, VersionNotReady, and whatever loading a
        version raises that is not in memory.
        """
        loaded = None
        for _ in range(_ATTEMPTS):
            seen = self._now()
            number = seen.snapshot.references.get(model, _NONE).get(reference)
            if number is None and _SHORT_NUMBER.fullmatch(reference):
                number = int(reference)
            loaded = None if number is None else self._pool.find((model, number))
            # Found under what is still the newest look at the database: so it may answer.
            if loaded is not None and self._seen is seen:
                return loaded
            if loaded is None:
                with self._database.read() as session:
                    version = self._find_usable(session, model, reference)
                loaded = self._pool.get(version)
        # Loaded and dropped for lack of memory again and again: answer with what was just loaded.
        return loaded or self._pool.get(version)

    @contextmanager
    def prepared(self, model: str, number: int) -> Iterator[None]:
        """Load the version, and keep it loaded until the block ends.

        Raises NotFound, VersionNotReady, and whatever loading it raises.
        """
        with self._database.read() as session:
            version = self._find_usable(session, model, str(number))
        with self._pool.holding(version):
            yield
            with suppress(Unavailable):  # an alias that was moved meanwhile pins it
                self._now()

    def grant(self, token: str) -> Grant:
        """What the bearer of ``token`` may do. Raises Unauthenticated."""
        return self.known_token(token).valid_grant()

    def known_token(self, token: str) -> KnownToken:
        """What is known of ``token``. Raises Unauthenticated where that is nothing."""
        seen = self._now()
        known = seen.shown.get(token)
        if known is None:
            known = seen.shown[token] = seen.snapshot.known_token(token_digest(token))
        return known

    def missing(self) -> list[Key]:
        """Versions that an alias points at and that have yet to be loaded. Empty: ready for
        traffic, but for what ``unloadable`` names."""
        aliased = self.snapshot().aliased
        missing = aliased - self._pool.loaded.keys()
        return sorted(missing - self._pool.failures(missing).keys())

    def unloadable(self) -> dict[Key, RegistryError]:
        """Versions that an alias points at and that could not be loaded, and why, in order."""
        return dict(sorted(self._pool.failures(self.snapshot().aliased).items()))

    def _now(self) -> _Seen:
        seen = self._seen
        return seen if seen.counter == self._counter.value else self._refresh()

    @contextmanager
    def _publishing(self, version: ServedVersion) -> Iterator[None]:
        """Publish a version in this block: it may have been archived while it was loaded, or the
        database replaced by one in which it is another.

        Nobody looks at the database in between. So an archival is either seen here, or its event
        is still to come and makes the next look drop what was published.

        Raises VersionNotFound, VersionLoading, DatabaseBusy, DatabaseUnavailable.
        """
        key = version.key
        with self._refreshing:
            counter = self._counter.value
            with self._telling_unread(counter), self._database.read() as session:
                current = read_versions(session, [key]).get(key)
            if current is None:
                raise VersionNotFound.archived(*key)
            if current != version:
                raise VersionLoading(*key)
            yield

    def _refresh(self, *, again: bool = False) -> _Seen:
        """Read the database if the counter has moved; ``again``: also where that failed before.

        Raises DatabaseBusy, DatabaseUnavailable.
        """
        if not again:
            self._refuse_unread()
        with self._refreshing:
            if self._seen.counter == self._counter.value:
                return self._seen
            if not again:  # another may have failed meanwhile: waiting as long would not help
                self._refuse_unread()
            known = self._seen.snapshot
            seen = self._read()
        if seen.snapshot.live is not known.live:
            self._load(seen.snapshot)
        return seen

    def _refuse_unread(self) -> None:
        """The poll tries again each second; callers would only take up threads beside it."""
        unread = self._unread
        if unread is None or self._poll is None:
            return
        if unread.counter == self._counter.value:
            raise type(unread.error) from unread.error

    def _read(self) -> _Seen:
        """Take a new look at the database; ``_refreshing`` is held. Raises Unavailable."""
        # Read before the database: what is written in between shows as a move next time.
        counter, known = self._counter.value, self._seen.snapshot
        with self._telling_unread(counter), self._database.read() as session:
            changes = read_changes(session, known.head)
            if changes is None:
                snapshot = read_snapshot(session)
                gone = self._pool.outdated(read_versions(session, self._pool.known()))
            else:
                snapshot = changed_snapshot(session, known, changes)
                known_here = self._pool.known() if changes.ended else ()
                gone = not_ready(session, [key for key in known_here if key[0] in changes.ended])
        if gone:
            self._pool.drop(gone)
        if changes is None or changes.uploaded:
            self._pool.retry()  # an upload brings lost bytes back, whatever version it makes
        if snapshot.live is not known.live:
            self._pool.pin(snapshot.live)
        self._seen = _Seen(counter, snapshot, {})
        return self._seen

    @contextmanager
    def _telling_unread(self, counter: int) -> Iterator[None]:
        """Read the database in this block; note and log when that begins or ceases to fail.

        Raises DatabaseBusy, or DatabaseUnavailable for whatever else is wrong with it.
        """
        try:
            yield
        except (RegistryError, SQLAlchemyError) as error:
            busy = isinstance(error, DatabaseBusy)
            unread = DatabaseBusy() if busy else DatabaseUnavailable()
            if self._unread is None:
                logger.warning("the database cannot be read; serving from memory: %s", error)
            self._unread = _Unread(counter, unread)
            raise unread from error
        if self._unread is not None:
            logger.info("the database can be read again")
            self._unread = None

    def _load(self, snapshot: Snapshot) -> None:
        """Begin to load what is live and not loaded, what an alias points at first.

        A fault is logged, and met again by who asks for the version.
        """
        missing = self._pool.to_begin(snapshot.live)
        if not missing:
            return
        try:
            with self._database.read() as session:
                versions = read_versions(session, missing)
        except (RegistryError, SQLAlchemyError) as error:
            logger.warning("cannot look up what has to be loaded: %s", error)
            return
        for key in sorted(versions, key=lambda key: (key not in snapshot.aliased, key)):
            self._pool.begin(versions[key]).add_done_callback(partial(_log_failure, key))

    def _keep_up(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            with suppress(Unavailable):  # noted and logged
                counter = self._counter.value
                with self._telling_unread(counter), self._database.read() as session:
                    head = last_event(session)
                if head != self._seen.snapshot.head:
                    self._seen = self._seen._replace(counter=-1)
                self._load(self._refresh(again=True).snapshot)
            self._tell()

    def _tell(self) -> None:
        loaded, aliased = self._pool.loaded.keys(), self._seen.snapshot.aliased
        self._observer.looked(
            readable=self._unread is None,
            loaded=len(loaded),
            missing=len(aliased - loaded),
            unloadable=self._pool.failures(aliased - loaded).keys(),
        )


def _log_failure(key: Key, loading: "Future[LoadedVersion]") -> None:
    if not loading.cancelled() and (error := loading.exception()) is not None:
        logger.warning("cannot load version %d of %s: %s", key[1], key[0], error)
