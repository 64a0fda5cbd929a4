"""The versions that are loaded in this process.

The mapping of loaded versions is never changed, only replaced whole: a request takes one reference
and keeps it to its end, and Python's reference counts are the drain. Loading happens in threads of
its own, once for each version however many wait for it.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType

from registry.errors import VersionLoading
from registry.formats.reading import Format
from registry.serving.codecs.replies import JsonWriter
from registry.serving.codecs.requests import JSON, RequestReader
from registry.serving.predictor import Predictor, example_batch
from registry.signature import Record, Signature

logger = logging.getLogger(__name__)

LOAD_TIMEOUT_SECONDS = 25.0
_LOADERS = 2

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """What has to be known of a version to load it."""

    model: str
    number: int
    format: Format
    sha256: str
    size: int
    signature: Signature
    input_example: Record | None
    compiled: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of each compiled form, by its name."""

    @property
    def key(self) -> Key:
        return self.model, self.number


Loader = Callable[[ServedVersion], Predictor]


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


class Pool:
    """Loaded versions by model and number; ``load`` makes the predictor of one that is not.

    What is pinned stays loaded. The others go, the least lately used first, when the artifacts of
    all together outgrow ``limit`` bytes; one alone may be larger.
    """

    def __init__(self, load: Loader, limit: int) -> None:
        self._load = load
        self._limit = limit
        self._lock = threading.Lock()
        self._pinned: frozenset[Key] = frozenset()
        self._loading: dict[Key, Future[LoadedVersion]] = {}
        self._threads = ThreadPoolExecutor(_LOADERS, thread_name_prefix="loader")
        self.publishing: Callable[[], AbstractContextManager[None]] = nullcontext
        """Entered around the publication of a version that was loaded."""
        self.loaded: Mapping[Key, LoadedVersion] = MappingProxyType({})

    def get(self, version: ServedVersion) -> LoadedVersion:
        """The version, loaded and warmed; waits for it if need be.

        Raises whatever loading it raises (BlobUnavailable, ArtifactRefused, PredictionRefused), or
        VersionLoading when it takes too long.
        """
        if found := self.find(version.key):
            return found
        try:
            return self.begin(version).result(LOAD_TIMEOUT_SECONDS)
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
        with self._lock:
            if found := self.loaded.get(version.key):
                done: Future[LoadedVersion] = Future()
                done.set_result(found)
                return done
            loading = self._loading.get(version.key)
            if loading is None:
                loading = self._threads.submit(self._load_one, version)
                self._loading[version.key] = loading
            return loading

    def pin(self, keys: Iterable[Key]) -> None:
        """Keep these versions loaded from now on, and only these."""
        with self._lock:
            self._pinned = frozenset(keys)
            self._replace(dict(self.loaded))

    def drop(self, keys: Iterable[Key]) -> None:
        """Let go of these versions; requests that are using one finish with it."""
        with self._lock:
            self._replace({k: v for k, v in self.loaded.items() if k not in set(keys)})

    def close(self) -> None:
        """Stop loading and let go of everything."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.loaded = MappingProxyType({})

    def _load_one(self, version: ServedVersion) -> LoadedVersion:
        try:
            began = time.monotonic()
            predictor = self._load(version)
            predictor.predict(example_batch(version.signature, version.input_example))
            loaded = LoadedVersion(version, predictor)
            with self.publishing(), self._lock:
                self._replace({**self.loaded, version.key: loaded})
            seconds = time.monotonic() - began
            logger.info("loaded version %d of %s in %.3f s", version.number, version.model, seconds)
            return loaded
        finally:
            with self._lock:
                self._loading.pop(version.key, None)

    def _replace(self, loaded: dict[Key, LoadedVersion]) -> None:
        """Publish ``loaded`` less what has to go. The lock is held."""
        spare = sorted(
            (entry for key, entry in loaded.items() if key not in self._pinned),
            key=lambda entry: entry.last_used,
        )
        size = sum(entry.version.size for entry in spare)
        while len(spare) > 1 and size > self._limit:
            oldest = spare.pop(0)
            size -= oldest.version.size
            del loaded[oldest.version.key]
            logger.info("dropped version %d of %s", oldest.version.number, oldest.version.model)
        self.loaded = MappingProxyType(loaded)
