"""What a worker of a cluster runs: a few calls, on one core, with their warnings."""

import platform
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from threadpoolctl import threadpool_limits

from hotswap._version import __version__

Call = tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any]]
Said = tuple[str, type[Warning]]
"""The text of a warning, and its class."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``results`` of the calls, or the ``error`` of one; ``differing``: the worker has other
    versions of libraries, and made nothing."""

    results: tuple[Any, ...] = ()
    warnings: tuple[Said, ...] = ()
    error: Exception | None = None
    differing: str = ""


def run(calls: Sequence[Call], libraries: Mapping[str, str]) -> Outcome:
    """Make ``calls``, if this process has the versions ``libraries``."""
    if differing := differences(libraries):
        return Outcome(differing=differing)
    with _SURROUNDINGS.task() as said:
        try:
            results = tuple(function(*args, **more) for function, args, more in calls)
        except MemoryError:  # of this worker, not of the model
            raise
        except Exception as error:  # noqa: BLE001 - it is raised where the task came from
            return Outcome(warnings=tuple(said), error=error)
        return Outcome(results, tuple(said))


def itself(value: Any) -> Any:
    """Return ``value``, which is thereby kept by the cluster."""
    return value


def differences(libraries: Mapping[str, str]) -> str:
    """In words, which of ``libraries`` have another version in this process; empty: none."""
    own = {name: installed(name) for name in libraries}
    return ", ".join(
        f"{name} {own[name] or 'missing'} instead of {wanted}"
        for name, wanted in libraries.items()
        if own[name] != wanted
    )


@cache
def installed(name: str) -> str | None:
    """The version of Python, of Hotswap or of a library; None where it is not installed."""
    if name == "python":
        return platform.python_version()
    if name == "hotswap":
        return __version__
    try:
        return version(name)
    except PackageNotFoundError:
        pass
    try:  # the distribution may have another name, such as xgboost-cpu
        return str(import_module(name).__version__)
    except (ImportError, AttributeError):
        return None


class _Surroundings:
    """One core and recorded warnings for tasks, several of which may run in threads of a process.

    threadpoolctl and the module ``warnings`` change the whole process, so the first task makes the
    changes and the last takes them back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._changes = ExitStack()
        self._own = threading.local()

    @contextmanager
    def task(self) -> Iterator[list[Said]]:
        """The warnings of this thread, which are recorded in the block."""
        said: list[Said] = []
        self._own.said = said
        with self._lock:
            if not self._running:
                self._change()
            self._running += 1
        try:
            yield said
        finally:
            del self._own.said
            with self._lock:
                self._running -= 1
                if not self._running:
                    self._changes.close()

    def _change(self) -> None:
        self._changes.enter_context(threadpool_limits(limits=1))
        self._changes.enter_context(warnings.catch_warnings())
        warnings.simplefilter("always")
        warnings.showwarning = self._keep

    def _keep(self, message: Warning | str, category: type[Warning], *_: object) -> None:
        said = getattr(self._own, "said", None)
        if said is not None:
            said.append((str(message), category))


_SURROUNDINGS = _Surroundings()
