"""What a worker tells about its own state, for whoever keeps figures of it."""

import time
from collections.abc import Collection

from registry.engines.predictor import Predictor
from registry.engines.served_version import Key, Loader, ServedVersion


class Observer:
    """Told of what happens off the request path; itself it does nothing with it.

    Its methods are called from several threads and must not raise.
    """

    def load_ended(self, seconds: float, error: Exception | None) -> None:
        """A version's bytes were read and made a predictor of, or ``error`` came in between."""

    def looked(
        self, *, readable: bool, loaded: int, missing: int, unloadable: Collection[Key]
    ) -> None:
        """The database was looked at, about once a second.

        ``loaded`` versions are in memory; an alias points at ``missing`` that are not, among them
        the ``unloadable``, which were tried.
        """

    def moved(self, error: Exception | None) -> None:
        """An alias was moved, or ``error`` says why it was not.

        Not told of an answer that was given before, and of an alias that pointed there already.
        """


def observed(load: Loader, observer: Observer) -> Loader:
    """``load``, and ``observer`` is told how each call of it ended."""

    def load_and_tell(version: ServedVersion) -> Predictor:
        began = time.monotonic()
        try:
            predictor = load(version)
        except Exception as error:
            observer.load_ended(time.monotonic() - began, error)
            raise
        observer.load_ended(time.monotonic() - began, None)
        return predictor

    return load_and_tell
