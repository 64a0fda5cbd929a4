"""Starts a server on one core, waits until it is ready, and stops it with all its processes."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from benchmarks.memory import family, runs

PATIENCE_SECONDS = 120.0
STOP_SECONDS = 30
FREE_SECONDS = 2.0
BETWEEN_LOOKS_SECONDS = 0.01


class ServerFailed(Exception):
    """The server ended or was not ready in time; the message contains the end of its log."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A running server, and the seconds from its start to its first 200 on the readiness route."""

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
    """Run ``command`` on ``core`` (None: any) until the block ends.

    Raises ServerFailed.
    """
    _wait_until_free(ready_url)
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
    """Run on these cores until the block ends; processes started in the block stay on them."""
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


def _wait_until_free(url: str) -> None:
    """Wait until the port is free: threads of a stopped server may hold it briefly."""
    place = urlsplit(url)
    deadline = time.monotonic() + FREE_SECONDS
    while True:
        with socket.socket() as probe:
            # Connections of the previous server in TIME_WAIT would prevent binding.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((place.hostname, place.port))
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ServerFailed(f"cannot listen on {place.netloc}: {error}") from error
            else:
                return
        time.sleep(BETWEEN_LOOKS_SECONDS)


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, deadline: float) -> None:
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerFailed(f"the server exited with {process.returncode} before it was ready")
        try:
            with urlopen(url, timeout=5):  # noqa: S310 - an address of this machine
                return
        except (URLError, OSError):
            time.sleep(BETWEEN_LOOKS_SECONDS)
    raise ServerFailed(f"{url} did not answer 200 within {PATIENCE_SECONDS:.0f} s")


def _end(process: "subprocess.Popen[bytes]") -> None:
    # Some servers start workers in separate sessions, and leave slow ones running.
    started = family(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    for pid in started:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + STOP_SECONDS
    while any(map(runs, started)) and time.monotonic() < deadline:
        time.sleep(BETWEEN_LOOKS_SECONDS)
