"""The workers of this host that serve the same data directory, and how they prepare a version.

Each worker listens on a socket in ``run/workers/``. Who is about to promote asks every one of them
to load and warm the version, and waits for the answers. A worker that has died refuses the
connection, or breaks it off, and is not waited for.

One worker goes ahead, and who asks loads last: so a version that crashes its loader takes one
worker along, not all of them, and there is somebody left to say so.
"""

import json
import logging
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.errors import RegistryError, VersionUnavailable

logger = logging.getLogger(__name__)

PREPARE_TIMEOUT_SECONDS = 25.0
HEAD_START_SECONDS = 10.0
"""How long the others wait for the worker that goes ahead; a slow one is not a dead one."""
REPLACEMENT_SECONDS = 15.0
"""How long a worker in the place of one that died is waited for."""
_BACKLOG = 64
_MAX_MESSAGE = 65536

Prepare = Callable[[str, int], AbstractContextManager[None]]
"""Loads and warms version ``number`` of ``model`` in this worker, and keeps it loaded while what it
returns is entered; raises RegistryError."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The socket of a worker that was asked, and as much of its answer as has come."""

    path: Path
    answer: bytearray = field(default_factory=bytearray)


class Fleet:
    """This worker's place among the workers below ``directory``."""

    def __init__(self, directory: Path, patience: float = PREPARE_TIMEOUT_SECONDS) -> None:
        self.patience = patience
        self.head_start = min(patience / 2, HEAD_START_SECONDS)
        self.replacement_patience = REPLACEMENT_SECONDS
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
            Path(short).chmod(0o600)
        listener.listen(_BACKLOG)
        self._socket, self._path = listener, path
        threading.Thread(
            target=_answer_all, args=(listener, prepare), name="fleet", daemon=True
        ).start()

    def leave(self) -> None:
        """Take no more part."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
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

    @contextmanager
    def prepared(self, model: str, number: int) -> Iterator[list[str]]:
        """Have every live worker load the version, and keep it loaded until the block ends, or
        this process; gives what went wrong, nothing if all can.

        A worker that dies while it is asked is forgiven once, since it may have been killed for
        any reason; a second death is held against the version.
        """
        asked = json.dumps({"model": model, "number": number}).encode() + b"\n"
        deadline = time.monotonic() + self.patience
        with ExitStack() as held:
            faults, died = self._ask_all(held, asked, deadline)
            if died and not faults:
                faults, died = self._ask_all(held, asked, deadline, self.replacement_patience)
                if died:
                    faults.append("A worker died while it loaded the version.")
            yield faults

    def _ask_all(
        self, held: ExitStack, asked: bytes, deadline: float, until_another: float = 0.0
    ) -> tuple[list[str], int]:
        """The faults that the workers told, and how many broke off without an answer.

        ``until_another``: seconds that another worker than this one is waited for; 0: if there is
        none, this one is asked alone. The workers hold the version until ``held`` is closed.
        """
        faults: list[str] = []
        with selectors.DefaultSelector() as waiting:
            try:
                others = self._ask_first(asked, waiting, faults, until_another)
                if until_another and not waiting.get_map() and not faults:
                    faults.append(
                        "A worker died while it loaded the version, and none came in its place."
                    )
                head_start = min(time.monotonic() + self.head_start, deadline)
                died = self._collect(held, waiting, faults, head_start)
                if died or faults:
                    return faults, died
                for path in (*others, *([self._path] if self._path else ())):
                    self._ask(path, asked, waiting, faults)
                died = self._collect(held, waiting, faults, deadline)
                if waiting.get_map():
                    faults.append(f"A worker did not load the version in {self.patience:g} s.")
                return faults, died
            finally:
                for key in list(waiting.get_map().values()):
                    _close(waiting, key)

    def _ask_first(
        self, asked: bytes, waiting: selectors.BaseSelector, faults: list[str], seconds: float
    ) -> list[Path]:
        """Ask one other worker, which may still have to come up; return those that remain."""
        deadline = time.monotonic() + seconds
        while True:
            others = [path for path in sorted(self._directory.glob("*.sock")) if path != self._path]
            while others and not faults:
                if self._ask(others.pop(0), asked, waiting, faults):
                    return others
            if faults or time.monotonic() >= deadline:
                return []
            time.sleep(0.05)

    def _ask(
        self, path: Path, asked: bytes, waiting: selectors.BaseSelector, faults: list[str]
    ) -> bool:
        """Send the question to a worker; False where it is dead, or could not be asked."""
        try:
            connection = _connect(path)
        except OSError as error:  # out of file descriptors, say: nobody is passed over
            faults.append(f"A worker could not be asked: {error.strerror}.")
            return False
        if connection is None:
            return False
        try:
            connection.sendall(asked)
        except ConnectionError:  # it died just now, before it could load anything
            connection.close()
            return False
        waiting.register(connection, selectors.EVENT_READ, _Asked(path))
        return True

    def _collect(
        self,
        held: ExitStack,
        waiting: selectors.BaseSelector,
        faults: list[str],
        deadline: float,
    ) -> int:
        """Take answers until all are there or the time is up; how many broke off instead."""
        died = 0
        while waiting.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in waiting.select(left):
                answer = _read(key)
                if answer is None:
                    continue
                waiting.unregister(key.fileobj)
                connection: Any = key.fileobj
                held.callback(connection.close)  # which lets the worker let go
                if not answer:
                    key.data.path.unlink(missing_ok=True)  # nobody asks it again while it ends
                    died += 1
                elif (fault := json.loads(answer)["fault"]) is not None:
                    faults.append(str(fault))
        return died


def _answer_all(listener: socket.socket, prepare: Prepare) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # the worker has left
        # Each in a thread of its own: a version that hangs must not hold up the next promotion.
        threading.Thread(target=_answer, args=(connection, prepare), daemon=True).start()


def _answer(connection: socket.socket, prepare: Prepare) -> None:
    with connection, suppress(OSError), ExitStack() as held:
        line = connection.makefile("rb").readline(_MAX_MESSAGE)
        if not line:
            return
        asked = json.loads(line)
        fault: str | None = None
        try:
            held.enter_context(prepare(str(asked["model"]), int(asked["number"])))
        except VersionUnavailable as error:
            fault = error.why
        except RegistryError as error:
            fault = error.detail
        except Exception as error:
            logger.exception("a version could not be prepared")
            fault = f"{type(error).__name__}"
        connection.sendall(json.dumps({"fault": fault}).encode() + b"\n")
        connection.recv(1)  # until who asked closes the connection, or has died


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
    key.data.answer.extend(part)
    if not part:
        return b""
    return bytes(key.data.answer) if key.data.answer.endswith(b"\n") else None


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
