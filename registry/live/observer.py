"""What a worker reports of its own state, for metrics."""

import time
from collections.abc import Collection

from registry.engines.predictor import Predictor
from registry.engines.served_version import Key, Loader, ServedVersion


class Observer:
    """Notified of what happens outside the prediction path; this class ignores it.

    Its methods are called from several threads and must not raise.
    """

    def load_ended(self, seconds: float, error: Exception | None) -> None:
        """A version was loaded, or ``error`` says why it was not."""

    def polled(
        self, *, readable: bool, loaded: int, missing: int, unloadable: Collection[Key]
    ) -> None:
        """The database was polled, about once a second.

        ``loaded`` versions are in memory; an alias points at ``missing`` that are not. Loading the
        ``unloadable`` of these failed.
        """

    def promotion_ended(self, error: Exception | None) -> None:
        """An alias was moved, or ``error`` says why it was not.

        Not called for a replayed answer, or for an alias that pointed at the version already.
        """


def observed(load: Loader, observer: Observer) -> Loader:
    """``load``, with ``observer`` notified of the result of each call."""

    def load_and_report(version: ServedVersion) -> Predictor:
        began = time.monotonic()
        try:
            predictor = load(version)
        except Exception as error:
            observer.load_ended(time.monotonic() - began, error)
            raise
        observer.load_ended(time.monotonic() - began, None)
        return predictor

    return load_and_report
