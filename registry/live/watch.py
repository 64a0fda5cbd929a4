"""Keeps the serving state of this worker up to date with the database.

Every request resolves its reference here. If the counter has changed since the state was read, the
database is read first; so a request that starts after a promotion was answered cannot get the
previous version. Only the models and tokens that the new events name are read. A slow poll finds
what was committed but never announced, because the process died in between.

Where the database cannot be read, predictions are served from memory as long as the counter has not
changed: nothing was committed then. Once it has changed, the state may be stale, and requests are
refused until the database can be read again.
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
    RegistryError,
    Unavailable,
    VersionLoading,
    VersionNotFound,
)
from registry.live.counter import Counter
from registry.live.database_reads import DatabaseReads
from registry.live.loaded_split import Answering, Arm, LoadedSplit, UnloadedArm
from registry.live.observer import Observer
from registry.live.pool import LoadedVersion, Pool
from registry.live.references import Alias
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
from registry.storage.tables import utc_now
from registry.tokens import Grant, token_digest

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
_SHORT_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_ATTEMPTS = 5

FindUsable = Callable[[Session, str, str], ServedVersion]
"""Looks up a version that may answer; raises NotFound or VersionNotReady."""

_NO_REFERENCES: Mapping[str, int] = {}


class WatchedState(NamedTuple):
    """A snapshot, the counter's value before it was read, and the tokens presented since."""

    counter: int
    snapshot: Snapshot
    tokens: dict[str, KnownToken]
    """By the token itself, to hash each one once. Holds only valid ones, so it stays small."""


Caller = tuple[str | None, str, str]
"""An Authorization header, and the model and the reference of the request."""


class AdmissionCache(NamedTuple):
    """What answers each admitted caller, valid for this state and these versions."""

    state: WatchedState
    loaded: Mapping[Key, LoadedVersion]
    versions: dict[Caller, Answering]
    """Holds only admitted callers, so it is no larger than tokens and references together."""


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
        self._reads = DatabaseReads(database, counter)
        self._counter = counter
        self._pool = pool
        self._find_usable = find_usable
        self._observer = observer or Observer()
        self._presented: set[int] = set()
        self._refreshing = threading.Lock()
        self._state = WatchedState(-1, Snapshot(), {})
        self._admissions = AdmissionCache(self._state, pool.loaded, {})
        self._stop = threading.Event()
        pool.publishing = self._publishing
        self._poller: threading.Thread | None = None

    def start(self) -> None:
        """Read the state, begin to load the live versions, and poll from now on."""
        self._newest_state()
        self._poller = threading.Thread(target=self._poll, name="watch", daemon=True)
        self._poller.start()

    def close(self) -> None:
        """Stop polling."""
        self._stop.set()
        if self._poller is not None:
            self._poller.join()

    def snapshot(self) -> Snapshot:
        """The state, as new as the last write that was announced before this call.

        Raises DatabaseBusy or DatabaseUnavailable where it has changed and cannot be read.
        """
        return self._current_state().snapshot

    def cached(self, caller: Caller) -> Answering | None:
        """What ``caller`` was admitted to before, if nothing has changed since."""
        state, loaded, versions = self._admissions
        if (
            state is not self._state
            or loaded is not self._pool.loaded
            or state.counter != self._counter.view[0]
        ):
            return None
        version = versions.get(caller)
        if version is not None:
            version.last_used = time.monotonic()
        return version

    def admission_cache(self) -> AdmissionCache:
        """The cache that an admitted caller is added to.

        To be taken before the caller is checked: a change in between then invalidates the entry.
        """
        cache = self._admissions
        if cache.state is not self._state or cache.loaded is not self._pool.loaded:
            cache = self._admissions = AdmissionCache(self._state, self._pool.loaded, {})
        return cache

    def answering(self, model: str, reference: str, token: int | None) -> Answering:
        """What answers predictions for ``reference`` of ``model`` now: a loaded version or, where
        the alias is split, that which chooses one. ``token`` is the id of the caller's token; None:
        it has none.

        Raises what ``resolve`` raises.
        """
        for _ in range(_ATTEMPTS):
            snapshot = self._current_state().snapshot
            split = snapshot.splits.get(Alias(model, reference)) if snapshot.splits else None
            if split is None:
                found: Answering = self.resolve(model, reference)
            elif split.by == "token" and token is not None:
                found = self._arm(model, split.number_of(str(token).encode()))
            else:
                found = LoadedSplit(split, [self._arm(model, number) for number in split.numbers])
            if self._state.snapshot is snapshot:
                break
        return found

    def _arm(self, model: str, number: int) -> Arm:
        """A version of a split, which an alias pins; its requests wait where it is not loaded."""
        key = model, number
        return self._pool.loaded.get(key) or UnloadedArm(
            key, partial(self.resolve, model, str(number))
        )

    def resolve(self, model: str, reference: str) -> LoadedVersion:
        """The loaded version that ``reference`` of ``model`` refers to now; of an alias that is
        split the champion.

        Raises NameMalformed, ReferenceMalformed, NotFound, VersionNotReady, and whatever loading a
        version raises that is not in memory.
        """
        loaded = None
        for _ in range(_ATTEMPTS):
            state = self._current_state()
            number = state.snapshot.references.get(model, _NO_REFERENCES).get(reference)
            if number is None and _SHORT_NUMBER.fullmatch(reference):
                number = int(reference)
            loaded = None if number is None else self._pool.find((model, number))
            # The state in which it was found is still the newest, so it may answer.
            if loaded is not None and self._state is state:
                return loaded
            if loaded is None:
                with self._database.read() as session:
                    version = self._find_usable(session, model, reference)
                loaded = self._pool.get(version)
        # Loaded and evicted each time: answer with the version that was loaded last.
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
                self._newest_state()

    def grant(self, token: str) -> Grant:
        """What the bearer of ``token`` may do. Raises Unauthenticated."""
        return self.known_token(token).valid_grant()

    def known_token(self, token: str) -> KnownToken:
        """The entry of ``token``. Raises Unauthenticated where there is none."""
        state = self._current_state()
        known = state.tokens.get(token)
        if known is None:
            known = state.tokens[token] = state.snapshot.known_token(token_digest(token))
        return known

    def take_presented(self) -> set[int]:
        """The ids of the tokens that were presented since the last call.

        A token is entered in the state when it is first presented, so using it costs nothing more.
        A new state without any then shows which are presented from now on.
        """
        with self._refreshing:
            presented = self._presented | _presented_tokens(self._state)
            self._state = self._state._replace(tokens={})
            self._presented = set()
        return presented

    def check_usable(self, model: str, reference: str) -> None:
        """Check that the version can answer, as far as that is known without loading it.

        Raises NameMalformed, ReferenceMalformed, NotFound, VersionNotReady, VersionLoading where
        an alias points at it and it has yet to be loaded, and the error of the last attempt.
        """
        snapshot = self._current_state().snapshot
        number = snapshot.references.get(model, _NO_REFERENCES).get(reference)
        if number is not None and (model, number) in self._pool.loaded:
            return
        with self._database.read() as session:
            key = self._find_usable(session, model, reference).key
        for error in self._pool.failures({key}).values():
            raise error
        if key in snapshot.aliased and key not in self._pool.loaded:
            raise VersionLoading(*key)

    def missing(self) -> list[Key]:
        """Versions that an alias points at and that have yet to be loaded. Empty: ready for
        traffic, except for the versions that ``unloadable`` names."""
        return self._missing_of(self.snapshot().aliased)

    def is_loaded(self) -> bool:
        """Whether nothing is ``missing``, also where this worker must not answer at present."""
        return not self._missing_of(self._newest_state().snapshot.aliased)

    def _missing_of(self, aliased: frozenset[Key]) -> list[Key]:
        missing = aliased - self._pool.loaded.keys()
        return sorted(missing - self._pool.failures(missing).keys())

    def unloadable(self) -> dict[Key, RegistryError]:
        """Versions that an alias points at and that could not be loaded, and why, in order."""
        return dict(sorted(self._pool.failures(self.snapshot().aliased).items()))

    @property
    def last_snapshot(self) -> Snapshot:
        """The state when the database was last read; ``snapshot`` may have to read it first."""
        return self._state.snapshot

    @property
    def is_readable(self) -> bool:
        """Whether the last attempt to read the database succeeded."""
        return not self._reads.failing

    def has_alias(self, key: Key) -> bool:
        """Whether an alias pointed at the version when the database was last read."""
        return key in self._state.snapshot.aliased

    def last_known(self, model: str, reference: str) -> Key | None:
        """The version that the reference stood for when the database was last read.

        None for a number of a version that no alias points at and that this worker never loaded.
        """
        number = self._state.snapshot.references.get(model, _NO_REFERENCES).get(reference)
        if number is not None:
            return model, number
        if not _SHORT_NUMBER.fullmatch(reference):
            return None
        key = model, int(reference)
        return key if self.has_alias(key) or self._pool.knows(key) else None

    def _newest_state(self) -> WatchedState:
        state = self._state
        return state if state.counter == self._counter.value else self._refresh()

    _current_state = _newest_state
    """The state by which a request is answered. Raises what ``snapshot`` raises."""

    @contextmanager
    def _publishing(self, version: ServedVersion) -> Iterator[None]:
        """Publish a version in this block: it may have been archived while it was loaded, or the
        database replaced by one in which it has other contents.

        The state is not read in between. So an archival is either seen here, or its event is read
        later and drops the published version.

        Raises VersionNotFound, VersionLoading, DatabaseBusy, DatabaseUnavailable.
        """
        key = version.key
        with self._refreshing:
            counter = self._counter.value
            with self._reads.session(counter) as session:
                current = read_versions(session, [key]).get(key)
            if current is None:
                raise VersionNotFound.archived(*key)
            if current != version:
                raise VersionLoading(*key)
            yield

    def _refresh(self, *, retry: bool = False) -> WatchedState:
        """Read the database if the counter has changed; ``retry``: also after it failed before.

        Raises DatabaseBusy, DatabaseUnavailable.
        """
        if not retry:
            self._raise_known_failure()
        with self._refreshing:
            if self._state.counter == self._counter.value:
                return self._state
            if not retry:  # another may have failed meanwhile: waiting as long would not help
                self._raise_known_failure()
            before = self._state.snapshot
            state = self._read()
        if state.snapshot.live is not before.live:
            self._begin_loading(state.snapshot)
        return state

    def _raise_known_failure(self) -> None:
        """The poll tries again each second; callers that tried too would only occupy threads."""
        if self._poller is not None:
            self._reads.raise_failure()

    def _read(self) -> WatchedState:
        """Read the state; ``_refreshing`` is held. Raises Unavailable."""
        # Taken before the database is read: a write in between changes the counter once more.
        counter, known = self._counter.value, self._state.snapshot
        with self._reads.session(counter) as session:
            changes = read_changes(session, known.head)
            if changes is None:
                snapshot = read_snapshot(session)
                gone = self._pool.outdated(read_versions(session, self._pool.known()))
            else:
                snapshot = changed_snapshot(session, known, changes)
                known_here = self._pool.known() if changes.archived else ()
                gone = not_ready(session, [key for key in known_here if key[0] in changes.archived])
        if gone:
            self._pool.drop(gone)
        if changes is None or changes.uploaded:
            self._pool.retry()  # an upload brings lost bytes back, whatever version it makes
        if snapshot.live is not known.live:
            self._pool.pin(snapshot.live)
        self._presented |= _presented_tokens(self._state)
        self._state = WatchedState(counter, snapshot, {})
        return self._state

    def _begin_loading(self, snapshot: Snapshot) -> None:
        """Load the live versions that are not loaded in the background, aliased ones first.

        A failure is logged, and raised where the version is requested.
        """
        missing = self._pool.to_preload(snapshot.live)
        if not missing:
            return
        try:
            with self._database.read() as session:
                versions = read_versions(session, missing)
        except (RegistryError, SQLAlchemyError) as error:
            logger.warning("cannot look up the versions to load: %s", error)
            return
        for key in sorted(versions, key=lambda key: (key not in snapshot.aliased, key)):
            self._pool.preload(versions[key]).add_done_callback(partial(_log_failure, key))

    def _poll(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            with suppress(Unavailable):  # noted and logged
                counter = self._counter.value
                with self._reads.session(counter) as session:
                    head = last_event(session)
                if head != self._state.snapshot.head:
                    self._state = self._state._replace(counter=-1)
                self._begin_loading(self._refresh(retry=True).snapshot)
            self._report()

    def _report(self) -> None:
        """Report the state to the observer."""
        loaded, aliased = self._pool.loaded.keys(), self._state.snapshot.aliased
        self._observer.polled(
            readable=self.is_readable,
            loaded=len(loaded),
            missing=len(aliased - loaded),
            unloadable=self._pool.failures(aliased - loaded).keys(),
        )


def _presented_tokens(state: WatchedState) -> set[int]:
    """The ids of the tokens that were presented in this state, without expired ones."""
    now = utc_now()
    return {
        known.grant.token_id
        for known in tuple(state.tokens.values())
        if known.expires_at is None or known.expires_at > now
    }


def _log_failure(key: Key, loading: "Future[LoadedVersion]") -> None:
    if not loading.cancelled() and (error := loading.exception()) is not None:
        logger.warning("cannot load version %d of %s: %s", key[1], key[0], error)
