"""The workers of this host that serve the same data directory, and how they prepare a version.

Each worker listens on a socket in ``run/workers/``. Who is about to promote asks every one of them
to load and warm the version, and waits for the answers. A worker that has died refuses the
connection, or breaks it off, and is not waited for.
"""

import json
import logging
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from registry.errors import RegistryError

logger = logging.getLogger(__name__)

PREPARE_TIMEOUT_SECONDS = 25.0
_BACKLOG = 64
_MAX_MESSAGE = 65536

Prepare = Callable[[str, int], None]
"""Loads and warms version ``number`` of ``model`` in this worker; raises RegistryError."""


class Fleet:
    """This worker's place among the workers below ``directory``."""

    def __init__(self, directory: Path, patience: float = PREPARE_TIMEOUT_SECONDS) -> None:
        self.patience = patience
        self._directory = directory
        self._socket: socket.socket | None = None
        self._path: Path | None = None

    def join(self, prepare: Prepare) -> None:
        """Take part from now on: answer whoever asks this worker to prepare a version."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._directory / f"{os.getpid()}-{time.monotonic_ns()}.sock"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _short_path(path) as short:
            listener.bind(short)
        listener.listen(_BACKLOG)
        self._socket, self._path = listener, path
        joined_marker(self._directory, os.getpid()).touch()
        threading.Thread(
            target=_answer_all, args=(listener, prepare), name="fleet", daemon=True
        ).start()

    def leave(self) -> None:
        """Take no more part."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            joined_marker(self._directory, os.getpid()).unlink(missing_ok=True)
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    def alive(self) -> int:
        """How many workers take part just now, in whatever processes."""
        count = 0
        for path in self._directory.glob("*.sock"):
            connection = _connect(path)
            if connection is not None:
                connection.close()
                count += 1
        return count

    def prepare(self, model: str, number: int) -> list[str]:
        """Have every live worker load the version; return what went wrong, nothing if all can.

        A worker that dies while it is asked is forgiven once, since it may have been killed for
        any reason; a second death is held against the version.
        """
        faults, died = self._ask_all(model, number)
        if died and not faults:
            faults, died = self._ask_all(model, number)
            if died:
                faults.append("A worker died while it loaded the version.")
        return faults

    def _ask_all(self, model: str, number: int) -> tuple[list[str], int]:
        """The faults that the workers told, and how many broke off without an answer."""
        asked = json.dumps({"model": model, "number": number}).encode() + b"\n"
        faults: list[str] = []
        with selectors.DefaultSelector() as waiting:
            for path in sorted(self._directory.glob("*.sock")):
                try:
                    connection = _connect(path)
                    if connection is not None:
                        connection.sendall(asked)
                        waiting.register(connection, selectors.EVENT_READ, bytearray())
                except OSError as error:  # out of file descriptors, say: nobody is passed over
                    faults.append(f"A worker could not be asked: {error.strerror}.")
            try:
                return self._collect(waiting, faults)
            finally:
                for key in list(waiting.get_map().values()):
                    _close(waiting, key)

    def _collect(self, waiting: selectors.BaseSelector, faults: list[str]) -> tuple[list[str], int]:
        died = 0
        deadline = time.monotonic() + self.patience
        while waiting.get_map():
            ready = waiting.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                faults.append(f"A worker did not load the version in {self.patience:g} s.")
                break
            for key, _ in ready:
                answer = _read(key)
                if answer is None:
                    continue
                _close(waiting, key)
                if not answer:
                    died += 1
                elif (fault := json.loads(answer)["fault"]) is not None:
                    faults.append(str(fault))
        return faults, died


class DrainMarker:
    """A file that tells the workers of the server ``pid`` that it is about to stop."""

    def __init__(self, run: Path, pid: int) -> None:
        self._path = run / f"draining-{pid}"

    def set(self) -> None:
        self._path.touch()

    def is_set(self) -> bool:
        return self._path.exists()

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)


def joined_marker(directory: Path, pid: int) -> Path:
    """A file that shows that the process once took part, also after it was killed."""
    return directory / f"{pid}.joined"


def _answer_all(listener: socket.socket, prepare: Prepare) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # the worker has left
        # Each in a thread of its own: a version that hangs must not hold up the next promotion.
        threading.Thread(target=_answer, args=(connection, prepare), daemon=True).start()


def _answer(connection: socket.socket, prepare: Prepare) -> None:
    with connection, suppress(OSError):
        line = connection.makefile("rb").readline(_MAX_MESSAGE)
        if not line:
            return
        asked = json.loads(line)
        fault: str | None = None
        try:
            prepare(str(asked["model"]), int(asked["number"]))
        except RegistryError as error:
            fault = error.detail
        except Exception as error:
            logger.exception("a version could not be prepared")
            fault = f"{type(error).__name__}"
        connection.sendall(json.dumps({"fault": fault}).encode() + b"\n")


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short_path(path) as short:
            connection.connect(short)
    except (ConnectionRefusedError, FileNotFoundError):
        connection.close()
        path.unlink(missing_ok=True)  # its worker is dead
        return None
    except OSError:
        connection.close()
        raise
    return connection


def _read(key: selectors.SelectorKey) -> bytes | None:
    """The whole answer; empty where the worker broke off; None where more is to come."""
    connection: Any = key.fileobj
    try:
        part = connection.recv(_MAX_MESSAGE)
    except OSError:
        return b""
    key.data.extend(part)
    if not part:
        return b""
    return bytes(key.data) if key.data.endswith(b"\n") else None


def _close(waiting: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    connection: Any = key.fileobj
    waiting.unregister(connection)
    connection.close()


@contextmanager
def _short_path(path: Path) -> Iterator[str]:
    """A name for ``path`` that fits a socket's address, which ends after 107 bytes."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
