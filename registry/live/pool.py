"""The versions that are loaded in this process.

The mapping of loaded versions is never changed, only replaced as a whole: a request takes one
version and keeps it to its end, and Python's reference counts are the drain. Versions are loaded in
separate threads, each once, however many callers wait for it.
"""

import logging
import threading
import time
from array import array
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType

from registry.codecs.json_reply import JsonWriter
from registry.codecs.requests import JSON, reader_of
from registry.codecs.tensor_codec import TensorCodec
from registry.engines.backoff import Backoff
from registry.engines.predictor import Predictor, example_batch
from registry.engines.served_version import Key, Loader, ServedVersion
from registry.errors import RegistryError, Unavailable, VersionLoading, VersionUnavailable

logger = logging.getLogger(__name__)

LOAD_TIMEOUT_SECONDS = 25.0
_LOADERS = 2


class LoadedVersion:
    """A loaded version: its predictor, and what reads its requests and writes its replies.

    Only ``last_used`` and ``seconds`` ever change.
    """

    __slots__ = (
        "__weakref__",
        "_tensors",
        "json_headers",
        "key",
        "last_used",
        "number_header",
        "predictor",
        "reader",
        "seconds",
        "version",
        "writer",
    )

    def __init__(self, version: ServedVersion, predictor: Predictor) -> None:
        self.version = version
        self.key = version.key
        self.predictor = predictor
        self.reader = reader_of(version.signature)
        self.number_header = ("X-Model-Version", str(version.number))
        self.json_headers = [("Content-Type", JSON), self.number_header]
        self.writer = JsonWriter(version.model, version.number, version.signature)
        self.last_used = time.monotonic()
        self.seconds: dict[str, array[float]] = {}
        """Times of predictions that have yet to be counted, by the reference that was used."""
        self._tensors: TensorCodec | None = None

    @property
    def tensors(self) -> TensorCodec:
        """Reads and writes tensors of the Open Inference Protocol; most versions never do."""
        if self._tensors is None:
            self._tensors = TensorCodec(*self.key, self.version.signature)
        return self._tensors


@dataclass(frozen=True, slots=True)
class _Failure:
    """The error of the last attempt to load a version, and when the next attempt is allowed."""

    error: Unavailable
    retries: Backoff

    def retried_at_once(self, clock: Callable[[], float]) -> "_Failure":
        """The same error, with the next attempt allowed at once."""
        return _Failure(self.error, Backoff(clock))


class Pool:
    """Loaded versions by model and number; ``load`` makes the predictor of a version.

    Pinned and held versions stay loaded. The others are evicted, least recently used first, when
    their artifacts together exceed ``limit`` bytes; a single one may be larger.

    Versions that a caller waits for are loaded before the preloaded ones, each kind in the order
    requested. A version that could not be loaded is tried again after a delay that doubles; until
    then, its callers get the error of the last attempt.
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
        self._evictable: dict[Key, LoadedVersion] = {}
        self._loading: dict[Key, Future[LoadedVersion]] = {}
        self._failures: dict[Key, _Failure] = {}
        self._awaited: OrderedDict[Key, ServedVersion] = OrderedDict()
        self._preloads: OrderedDict[Key, ServedVersion] = OrderedDict()
        self._threads = ThreadPoolExecutor(_LOADERS, thread_name_prefix="loader")
        self.publishing: Callable[[ServedVersion], AbstractContextManager[None]] = lambda _: (
            nullcontext()
        )
        """Entered while a loaded version is published; raises to prevent that."""
        self.loaded: MappingProxyType[Key, LoadedVersion] = MappingProxyType({})

    def get(self, version: ServedVersion) -> LoadedVersion:
        """The version, loaded and warmed; waits until it is.

        Raises BlobUnavailable or another Unavailable error that loading it raises,
        VersionUnavailable for any other fault, VersionLoading when it takes too long.
        """
        if found := self.find(version.key):
            return found
        try:
            return self._enqueue(version, self._awaited).result(LOAD_TIMEOUT_SECONDS)
        except FutureTimeout as error:
            raise VersionLoading(version.model, version.number) from error

    def find(self, key: Key) -> LoadedVersion | None:
        """The version if it is loaded; this counts as a use of it."""
        found = self.loaded.get(key)
        if found is not None:
            found.last_used = time.monotonic()
        return found

    def preload(self, version: ServedVersion) -> "Future[LoadedVersion]":
        """Load the version in the background, unless it is loaded or being loaded already."""
        return self._enqueue(version, self._preloads)

    def to_preload(self, keys: AbstractSet[Key]) -> AbstractSet[Key]:
        """Those of ``keys`` that are not loaded, not being loaded, and allowed another attempt."""
        with self._lock:
            missing = keys - self.loaded.keys() - self._loading.keys()
            return {key for key in missing if self._blocking_error(key) is None}

    def failures(self, keys: AbstractSet[Key]) -> dict[Key, RegistryError]:
        """Those of ``keys`` that could not be loaded, with the error of the last attempt."""
        with self._lock:
            return {key: self._failures[key].error for key in keys & self._failures.keys()}

    def retry(self) -> None:
        """Allow another attempt at everything that could not be loaded."""
        with self._lock:
            for key, failure in self._failures.items():
                self._failures[key] = failure.retried_at_once(self._clock)

    def knows(self, key: Key) -> bool:
        """Whether the version is loaded or could not be loaded."""
        return key in self.loaded or key in self._failures

    def known(self) -> AbstractSet[Key]:
        """All versions that it ``knows``."""
        with self._lock:
            return self.loaded.keys() | self._failures.keys()

    def outdated(self, versions: Mapping[Key, ServedVersion]) -> set[Key]:
        """The ``known`` versions that ``versions`` lacks, or has with other contents."""
        loaded = self.loaded
        return {
            key
            for key in self.known()
            if key not in versions or (key in loaded and loaded[key].version != versions[key])
        }

    def pin(self, keys: Iterable[Key]) -> None:
        """Keep these versions loaded from now on, in place of those that were pinned before."""
        with self._lock:
            self._pinned = frozenset(keys)
            self._update_evictable()

    @contextmanager
    def holding(self, version: ServedVersion) -> Iterator[None]:
        """Load the version, even if the last attempt failed just now, and keep it loaded until the
        block ends. Raises what ``get`` raises."""
        key = version.key
        with self._lock:
            self._held[key] += 1
            self._evictable.pop(key, None)
            if key in self._failures:
                self._failures[key] = self._failures[key].retried_at_once(self._clock)
        try:
            self.get(version)
            yield
        finally:
            with self._lock:
                self._held[key] -= 1
                if not self._held[key]:
                    del self._held[key]
                    self._update_evictable()

    def drop(self, keys: Iterable[Key]) -> None:
        """Remove these versions; requests that are using one finish with it."""
        with self._lock:
            loaded = self.loaded.copy()
            for key in keys:
                loaded.pop(key, None)
                self._evictable.pop(key, None)
                self._failures.pop(key, None)
            self._replace(loaded)

    def close(self) -> None:
        """Stop loading and remove everything."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for key in (*self._awaited, *self._preloads):
                self._loading.pop(key).cancel()
            self._awaited.clear()
            self._preloads.clear()
            self.loaded = MappingProxyType({})

    def _enqueue(
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
                if error := self._blocking_error(key):
                    loading.set_exception(error)
                    return loading
                self._threads.submit(self._load_next)
                self._loading[key], queue[key] = loading, version
            elif queue is self._awaited and key in self._preloads:
                queue[key] = self._preloads.pop(key)
            return loading

    def _load_next(self) -> None:
        """Load the first version of the queues; called once for each version added to them."""
        with self._lock:
            queue = self._awaited or self._preloads
            if not queue:
                return  # closed meanwhile
            key, version = queue.popitem(last=False)
        try:
            loaded = self._load_and_warm(version)
            with self.publishing(version), self._lock:
                self._failures.pop(key, None)
                if key not in self._pinned and key not in self._held:
                    self._evictable[key] = loaded
                self._replace({**self.loaded.copy(), key: loaded})
        except BaseException as error:  # noqa: BLE001 - it is raised where the version is awaited
            self._take_future(key).set_exception(error.with_traceback(None))
        else:
            self._take_future(key).set_result(loaded)

    def _load_and_warm(self, version: ServedVersion) -> LoadedVersion:
        """Load and warm the version. Raises one of the Unavailable errors, and keeps it."""
        began = time.monotonic()
        try:
            predictor = self._load(version)
            predictor.predict(example_batch(version.signature, version.input_example))
            loaded = LoadedVersion(version, predictor)
        except Exception as error:  # noqa: BLE001 - whatever it is, the version cannot answer
            unavailable = _as_unavailable(version, error)
        else:
            seconds = time.monotonic() - began
            logger.info("loaded version %d of %s in %.3f s", version.number, version.model, seconds)
            return loaded
        with self._lock:
            before = self._failures.get(version.key)
            retries = Backoff(self._clock) if before is None else before.retries
            retries.record_failure()
            self._failures[version.key] = _Failure(unavailable, retries)
        raise unavailable  # here, since in the handler ``error`` would be kept as its context

    def _blocking_error(self, key: Key) -> Unavailable | None:
        """The error that callers get until the next attempt; None where one is allowed. The lock is
        held."""
        failure = self._failures.get(key)
        if failure is None or failure.retries.remaining_seconds() <= 0:
            return None
        # It is raised many times; without this its traceback would grow each time.
        return failure.error.with_traceback(None)

    def _take_future(self, key: Key) -> "Future[LoadedVersion]":
        with self._lock:
            return self._loading.pop(key)

    def _update_evictable(self) -> None:
        """Find what may be evicted, and evict what exceeds the limit. The lock is held."""
        evictable = self.loaded.keys() - self._pinned - self._held.keys()
        self._evictable = {key: self.loaded[key] for key in evictable}
        self._replace(self.loaded.copy())

    def _replace(self, loaded: dict[Key, LoadedVersion]) -> None:
        """Publish ``loaded`` without what exceeds the limit. The lock is held."""
        size = sum(entry.version.size for entry in self._evictable.values())
        if size > self._limit:
            for oldest in sorted(self._evictable.values(), key=lambda entry: entry.last_used)[:-1]:
                version = oldest.version
                size -= version.size
                del loaded[version.key], self._evictable[version.key]
                logger.info("dropped version %d of %s", version.number, version.model)
                if size <= self._limit:
                    break
        self.loaded = MappingProxyType(loaded)


def _as_unavailable(version: ServedVersion, error: Exception) -> Unavailable:
    """``error`` as callers get it, without its traceback and its causes, which would stay in
    memory."""
    unavailable = error
    if not isinstance(unavailable, Unavailable):
        why = f"{type(error).__name__}, which the log has"
        if isinstance(error, RegistryError):
            why = error.detail
        else:
            logger.error("unexpected error while a version was loaded", exc_info=error)
        unavailable = VersionUnavailable(version.model, version.number, why)
    unavailable.__cause__ = unavailable.__context__ = None
    return unavailable.with_traceback(None)
