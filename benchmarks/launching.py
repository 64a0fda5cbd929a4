"""Starts a server on one core, waits until it is ready, and ends it with all its processes."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

PATIENCE_SECONDS = 120.0
BETWEEN_LOOKS_SECONDS = 0.01


class ServerFailed(Exception):
    """The server ended, or was not ready in time; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A running server, and how long it took from its start to its first 200 as ready."""

    process: "subprocess.Popen[bytes]"
    seconds_to_ready: float


@contextmanager
def launched(
    command: Sequence[str | Path],
    ready_url: str,
    *,
    cwd: Path,
    environment: Mapping[str, str],
    core: int | None = None,
) -> Iterator[Launched]:
    """Run ``command`` on ``core`` (any, if None) until the block ends.

    Raises ServerFailed.
    """
    with tempfile.TemporaryFile() as log:
        began = time.monotonic()
        process = _start_on(core, command, cwd, environment, log.fileno())
        try:
            try:
                _wait_until_ready(process, ready_url, began + PATIENCE_SECONDS)
            except ServerFailed as failure:
                log.seek(0)
                tail = log.read()[-3000:].decode(errors="replace")
                raise ServerFailed(f"{failure}\n{tail}") from None
            yield Launched(process, time.monotonic() - began)
        finally:
            _end(process)


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Run on these cores until the block ends; what is started meanwhile stays on them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _start_on(
    core: int | None,
    command: Sequence[str | Path],
    cwd: Path,
    environment: Mapping[str, str],
    log: int,
) -> "subprocess.Popen[bytes]":
    cores = os.sched_getaffinity(0) if core is None else {core}
    with on_cores(cores):
        return subprocess.Popen(  # noqa: S603 - commands of this package
            command,
            cwd=cwd,
            env=dict(environment),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, deadline: float) -> None:
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerFailed(f"the server ended with {process.returncode} before it was ready")
        try:
            with urlopen(url, timeout=5):  # noqa: S310 - an address of this machine
                return
        except (URLError, OSError):
            time.sleep(BETWEEN_LOOKS_SECONDS)
    raise ServerFailed(f"{url} did not answer 200 within {PATIENCE_SECONDS:.0f} s")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(15)
    # Whatever the server left of its session, and the server itself where it did not end.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
