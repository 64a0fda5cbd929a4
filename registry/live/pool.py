"""The versions that are loaded in this process.

The mapping of loaded versions is never changed, only replaced whole: a request takes one reference
and keeps it to its end, and Python's reference counts are the drain. Loading happens in threads of
its own, once for each version however many wait for it.
"""

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType

from registry.codecs.replies import JsonWriter
from registry.codecs.requests import JSON, RequestReader
from registry.engines.backoff import Backoff
from registry.engines.predictor import Predictor, example_batch
from registry.engines.served_version import Key, Loader, ServedVersion
from registry.errors import RegistryError, Unavailable, VersionLoading, VersionUnavailable

logger = logging.getLogger(__name__)

LOAD_TIMEOUT_SECONDS = 25.0
_LOADERS = 2


class LoadedVersion:
    """A version that can answer: its predictor, and what reads its requests and writes its replies.

    Everything but ``last_used`` stays as it was made.
    """

    __slots__ = (
        "json_headers",
        "last_used",
        "number_header",
        "predictor",
        "reader",
        "version",
        "writer",
    )

    def __init__(self, version: ServedVersion, predictor: Predictor) -> None:
        self.version = version
        self.predictor = predictor
        self.reader = RequestReader(version.signature)
        self.number_header = ("X-Model-Version", str(version.number))
        self.json_headers = [("Content-Type", JSON), self.number_header]
        self.writer = JsonWriter(version.model, version.number, version.signature)
        self.last_used = time.monotonic()


@dataclass(frozen=True, slots=True)
class _Failure:
    """What the last attempt to load a version came to, and when there may be another."""

    error: Unavailable
    retries: Backoff

    def at_once(self, clock: Callable[[], float]) -> "_Failure":
        """The same, and the next attempt need not wait."""
        return _Failure(self.error, Backoff(clock))


class Pool:
    """Loaded versions by model and number; ``load`` makes the predictor of one that is not.

    What is pinned or held stays loaded. The others go, the least lately used first, when the
    artifacts of all together outgrow ``limit`` bytes; one alone may be larger.

    Versions are loaded in the order in which they are asked for, but those that somebody waits for
    before all others. One that could not be loaded is tried again after a time that doubles; until
    then, who asks for it gets the error of the last attempt.
    """

    def __init__(
        self, load: Loader, limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._pinned: frozenset[Key] = frozenset()
        self._held: Counter[Key] = Counter()
        self._spare: dict[Key, LoadedVersion] = {}
        self._loading: dict[Key, Future[LoadedVersion]] = {}
        self._failures: dict[Key, _Failure] = {}
        self._waited_for: OrderedDict[Key, ServedVersion] = OrderedDict()
        self._ahead: OrderedDict[Key, ServedVersion] = OrderedDict()
        self._threads = ThreadPoolExecutor(_LOADERS, thread_name_prefix="loader")
        self.publishing: Callable[[ServedVersion], AbstractContextManager[None]] = lambda _: (
            nullcontext()
        )
        """Entered around the publication of a version that was loaded; raises to prevent it."""
        self.loaded: MappingProxyType[Key, LoadedVersion] = MappingProxyType({})

    def get(self, version: ServedVersion) -> LoadedVersion:
        """The version, loaded and warmed; waits for it if need be.

        Raises BlobUnavailable or another of the Unavailable errors that loading it raises,
        VersionUnavailable for what else is wrong with it, VersionLoading when it takes too long.
        """
        if found := self.find(version.key):
            return found
        try:
            return self._begin(version, self._waited_for).result(LOAD_TIMEOUT_SECONDS)
        except FutureTimeout as error:
            raise VersionLoading(version.model, version.number) from error

    def find(self, key: Key) -> LoadedVersion | None:
        """The version if it is loaded; counts as a use of it."""
        found = self.loaded.get(key)
        if found is not None:
            found.last_used = time.monotonic()
        return found

    def begin(self, version: ServedVersion) -> "Future[LoadedVersion]":
        """Load the version in the background, unless it is loaded or being loaded already."""
        return self._begin(version, self._ahead)

    def to_begin(self, keys: AbstractSet[Key]) -> AbstractSet[Key]:
        """Those of ``keys`` that are neither loaded nor being loaded, nor failed just now."""
        with self._lock:
            missing = keys - self.loaded.keys() - self._loading.keys()
            return {key for key in missing if self._failure(key) is None}

    def failures(self, keys: AbstractSet[Key]) -> dict[Key, RegistryError]:
        """Those of ``keys`` that could not be loaded, with what was wrong at the last attempt."""
        with self._lock:
            return {key: self._failures[key].error for key in keys & self._failures.keys()}

    def retry(self) -> None:
        """Let everything that could not be loaded be tried again at once."""
        with self._lock:
            for key, failure in self._failures.items():
                self._failures[key] = failure.at_once(self._clock)

    def known(self) -> AbstractSet[Key]:
        """The versions that are loaded or could not be loaded."""
        with self._lock:
            return self.loaded.keys() | self._failures.keys()

    def outdated(self, versions: Mapping[Key, ServedVersion]) -> set[Key]:
        """Of what is ``known``, that which ``versions`` lacks, or has with other contents."""
        loaded = self.loaded
        return {
            key
            for key in self.known()
            if key not in versions or (key in loaded and loaded[key].version != versions[key])
        }

    def pin(self, keys: Iterable[Key]) -> None:
        """Keep these versions loaded from now on, and of the others only those that are held."""
        with self._lock:
            self._pinned = frozenset(keys)
            self._find_spare()

    @contextmanager
    def holding(self, version: ServedVersion) -> Iterator[None]:
        """Load the version, whatever became of the last attempt, and keep it loaded until the block
        ends. Raises what ``get`` raises."""
        key = version.key
        with self._lock:
            self._held[key] += 1
            self._spare.pop(key, None)
            if key in self._failures:
                self._failures[key] = self._failures[key].at_once(self._clock)
        try:
            self.get(version)
            yield
        finally:
            with self._lock:
                self._held[key] -= 1
                if not self._held[key]:
                    del self._held[key]
                    self._find_spare()

    def drop(self, keys: Iterable[Key]) -> None:
        """Let go of these versions; requests that are using one finish with it."""
        with self._lock:
            loaded = self.loaded.copy()
            for key in keys:
                loaded.pop(key, None)
                self._spare.pop(key, None)
                self._failures.pop(key, None)
            self._replace(loaded)

    def close(self) -> None:
        """Stop loading and let go of everything."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for key in (*self._waited_for, *self._ahead):
                self._loading.pop(key).cancel()
            self._waited_for.clear()
            self._ahead.clear()
            self.loaded = MappingProxyType({})

    def _begin(
        self, version: ServedVersion, queue: OrderedDict[Key, ServedVersion]
    ) -> "Future[LoadedVersion]":
        key = version.key
        with self._lock:
            loading = self._loading.get(key)
            if loading is None:
                loading = Future()
                if found := self.loaded.get(key):
                    loading.set_result(found)
                    return loading
                if error := self._failure(key):
                    loading.set_exception(error)
                    return loading
                self._threads.submit(self._load_next)
                self._loading[key], queue[key] = loading, version
            elif queue is self._waited_for and key in self._ahead:
                queue[key] = self._ahead.pop(key)
            return loading

    def _load_next(self) -> None:
        """Load what is first in turn; called once for each version that waits for its turn."""
        with self._lock:
            queue = self._waited_for or self._ahead
            if not queue:
                return  # closed meanwhile
            key, version = queue.popitem(last=False)
        try:
            loaded = self._make(version)
            with self.publishing(version), self._lock:
                self._failures.pop(key, None)
                if key not in self._pinned and key not in self._held:
                    self._spare[key] = loaded
                self._replace({**self.loaded.copy(), key: loaded})
        except BaseException as error:  # noqa: BLE001 - it is raised where the version is waited for
            self._end(key).set_exception(error.with_traceback(None))
        else:
            self._end(key).set_result(loaded)

    def _make(self, version: ServedVersion) -> LoadedVersion:
        """Load and warm the version. Raises one of the Unavailable errors, and remembers it."""
        began = time.monotonic()
        try:
            predictor = self._load(version)
            predictor.predict(example_batch(version.signature, version.input_example))
            loaded = LoadedVersion(version, predictor)
        except Exception as error:  # noqa: BLE001 - whatever it is, the version cannot answer
            kept = _kept(version, error)
        else:
            seconds = time.monotonic() - began
            logger.info("loaded version %d of %s in %.3f s", version.number, version.model, seconds)
            return loaded
        with self._lock:
            before = self._failures.get(version.key)
            retries = Backoff(self._clock) if before is None else before.retries
            retries.died()
            self._failures[version.key] = _Failure(kept, retries)
        raise kept  # not where ``error`` would stay in memory as its context

    def _failure(self, key: Key) -> Unavailable | None:
        """Why the version cannot be had just now; None where it may be tried. The lock is held."""
        failure = self._failures.get(key)
        if failure is None or failure.retries.wait() <= 0:
            return None
        # It is raised many times; without this its traceback would grow each time.
        return failure.error.with_traceback(None)

    def _end(self, key: Key) -> "Future[LoadedVersion]":
        with self._lock:
            return self._loading.pop(key)

    def _find_spare(self) -> None:
        """See anew what may go, and let go of what has to. The lock is held."""
        spare = self.loaded.keys() - self._pinned - self._held.keys()
        self._spare = {key: self.loaded[key] for key in spare}
        self._replace(self.loaded.copy())

    def _replace(self, loaded: dict[Key, LoadedVersion]) -> None:
        """Publish ``loaded`` less what has to go. The lock is held."""
        size = sum(entry.version.size for entry in self._spare.values())
        if size > self._limit:
            for oldest in sorted(self._spare.values(), key=lambda entry: entry.last_used)[:-1]:
                version = oldest.version
                size -= version.size
                del loaded[version.key], self._spare[version.key]
                logger.info("dropped version %d of %s", version.number, version.model)
                if size <= self._limit:
                    break
        self.loaded = MappingProxyType(loaded)


def _kept(version: ServedVersion, error: Exception) -> Unavailable:
    """``error`` as who asks for the version gets it, without what it would keep in memory."""
    kept = error
    if not isinstance(kept, Unavailable):
        why = f"{type(error).__name__}, which the log has"
        if isinstance(error, RegistryError):
            why = error.detail
        else:
            logger.error("unexpected error while a version was loaded", exc_info=error)
        kept = VersionUnavailable(version.model, version.number, why)
    kept.__cause__ = kept.__context__ = None
    return kept.with_traceback(None)
