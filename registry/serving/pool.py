"""The versions that are loaded in this process.

A version is loaded by the first request that needs it, once, however many ask at the same time;
what was least used goes first when the loaded artifacts outgrow the limit.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from registry.formats.reading import Format
from registry.serving.predictor import Predictor, example_batch
from registry.signature import Record, Signature

logger = logging.getLogger(__name__)


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

    @property
    def key(self) -> tuple[str, int]:
        return self.model, self.number


Loader = Callable[[ServedVersion], Predictor]


class Pool:
    """Loaded versions by model and number; ``load`` makes the predictor of one that is not.

    ``limit`` bounds the bytes of all loaded artifacts. A version larger than it is still served,
    alone.
    """

    def __init__(self, load: Loader, limit: int) -> None:
        self._load = load
        self._limit = limit
        self._lock = threading.Lock()
        self._loading: dict[tuple[str, int], threading.Lock] = {}
        self._loaded: OrderedDict[tuple[str, int], tuple[Predictor, int]] = OrderedDict()

    def predictor(self, version: ServedVersion) -> Predictor:
        """The version's predictor, loaded and warmed.

        Raises whatever loading it raises: BlobUnavailable, ArtifactRefused, PredictionRefused.
        """
        with self._lock:
            if found := self._loaded.get(version.key):
                self._loaded.move_to_end(version.key)
                return found[0]
            turn = self._loading.setdefault(version.key, threading.Lock())
        with turn:
            with self._lock:
                if found := self._loaded.get(version.key):
                    return found[0]
            try:
                predictor = self._load(version)
                predictor.predict(example_batch(version.signature, version.input_example))
                self._keep(version, predictor)
            finally:
                with self._lock:
                    self._loading.pop(version.key, None)
        return predictor

    def loaded(self) -> list[tuple[str, int]]:
        """Which versions are loaded, the one used last at the end."""
        with self._lock:
            return list(self._loaded)

    def _keep(self, version: ServedVersion, predictor: Predictor) -> None:
        with self._lock:
            self._loaded[version.key] = (predictor, version.size)
            while len(self._loaded) > 1 and self._size() > self._limit:
                key, _ = self._loaded.popitem(last=False)
                logger.info("dropped version %d of %s from memory", key[1], key[0])

    def _size(self) -> int:
        return sum(size for _, size in self._loaded.values())
