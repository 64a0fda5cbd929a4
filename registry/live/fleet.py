"""The workers of this host that serve the same data directory, and how they prepare a version.

Each worker listens on a socket in ``run/workers/``. A promotion sends every one of them a request
to load and warm the version, and waits for the replies. A worker that has died refuses the
connection, or closes it, and is not waited for; one that is stopping announces it.

One worker loads first, and the requesting one last: so a version that crashes its loader ends one
worker, not all of them, and the requesting one is left to report it.
"""

import json
import logging
import os
import select
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
from registry.live.serving_time import new_socket_path
from registry.storage.run_sockets import publish, short_path

logger = logging.getLogger(__name__)

PREPARE_TIMEOUT_SECONDS = 25.0
HEAD_START_SECONDS = 10.0
"""How long the others wait for the first worker, which may be slow without being dead."""
REPLACEMENT_SECONDS = 15.0
"""How long to wait for the replacement of a worker that died."""
LEAVE_TIMEOUT_SECONDS = 5.0
_BACKLOG = 64
_MAX_MESSAGE = 65536
_REQUEST_SECONDS = 1.0
"""How long a request that is going to be refused may take to arrive."""
_LEFT = b'{"fault": null, "left": true}\n'
"""The reply of a worker that stops before it has loaded the version."""

Prepare = Callable[[str, int], AbstractContextManager[None]]
"""Loads and warms version ``number`` of ``model`` in this worker, and keeps it loaded while the
context manager that it returns is entered; raises RegistryError."""


@dataclass(frozen=True, slots=True)
class _PartialReply:
    """The socket of a worker, and the part of its reply that has arrived."""

    path: Path
    received: bytearray = field(default_factory=bytearray)


class Fleet:
    """The workers whose sockets are in ``directory``, and this worker's own."""

    def __init__(self, directory: Path, patience: float = PREPARE_TIMEOUT_SECONDS) -> None:
        self.patience = patience
        self.head_start = min(patience / 2, HEAD_START_SECONDS)
        self.replacement_patience = REPLACEMENT_SECONDS
        self._directory = directory
        self._socket: socket.socket | None = None
        self._path: Path | None = None
        self._wake = -1
        """Becomes readable when this worker leaves (eventfd(2))."""
        self._threads: list[threading.Thread] = []
        self._connections: set[socket.socket] = set()
        """Those of the workers that this one prepares versions for."""

    def join(self, prepare: Prepare) -> None:
        """Reply to requests to prepare a version from now on."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = new_socket_path(self._directory)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        publish(listener, path, _BACKLOG)
        listener.setblocking(False)
        self._socket, self._path, self._wake = listener, path, os.eventfd(0)
        self._begin(self._serve, listener, prepare)

    def leave(self) -> None:
        """Stop replying, and release the versions that are held for other workers. What they are
        still waiting for is answered first.

        After it nothing here uses what ``prepare`` does, except a version that is still loading
        after LEAVE_TIMEOUT_SECONDS.
        """
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        if self._socket is None:
            return
        deadline = time.monotonic() + LEAVE_TIMEOUT_SECONDS
        os.eventfd_write(self._wake, 1)
        while self._threads:  # the first is the one that accepts, and adds the others
            thread = self._threads.pop(0)
            for connection in self._connections.copy():
                _leave(connection)
            thread.join(max(0.0, deadline - time.monotonic()))
        self._socket.close()
        os.close(self._wake)
        self._socket = None

    def alive(self) -> int:
        """How many workers reply at present, this one included."""
        count = 0
        for path in self._directory.glob("*.sock"):
            connection = _connect(path)
            if connection is not None:
                connection.close()
                count += 1
        return count

    @contextmanager
    def prepared(
        self, model: str, number: int, *, needs_worker: bool = False
    ) -> Iterator[list[str]]:
        """Have every live worker load the version, and keep it loaded until the block ends or this
        process does; gives the faults, an empty list if all workers loaded it.

        If a worker dies meanwhile, all of it is done once more, since it may have been killed for
        another reason; after a second death the version is at fault.

        ``needs_worker``: this process loads nothing itself, so it waits for a worker if there is
        none, and that none starts is a fault.
        """
        message = json.dumps({"model": model, "number": number}).encode() + b"\n"
        deadline = time.monotonic() + self.patience
        with ExitStack() as held:
            alone = "No worker is running." if needs_worker else ""
            faults, died = self._prepare_all(held, message, deadline, alone)
            if died and not faults:
                alone = "A worker died while it loaded the version, and was not replaced."
                faults, died = self._prepare_all(held, message, deadline, alone)
                if died:
                    faults.append("A worker died while it loaded the version.")
            yield faults

    def _prepare_all(
        self, held: ExitStack, message: bytes, deadline: float, alone: str
    ) -> tuple[list[str], int]:
        """The faults that the workers reported, and how many workers died.

        ``alone``: the fault if there is no other worker than this one, nor another starts in time;
        empty: then only this one prepares. The workers hold the version until ``held`` is closed.
        """
        patience = self.replacement_patience if alone else 0.0
        faults: list[str] = []
        with selectors.DefaultSelector() as waiting:
            try:
                while True:
                    others = self._send_to_first(message, waiting, faults, patience)
                    if alone and not waiting.get_map() and not faults:
                        faults.append(alone)
                    head_start = min(time.monotonic() + self.head_start, deadline)
                    died, left = self._collect_replies(held, waiting, faults, head_start)
                    if died or faults:
                        return faults, died
                    if not left:  # else another one goes first
                        break
                for path in (*others, *([self._path] if self._path else ())):
                    self._send(path, message, waiting, faults)
                died, _ = self._collect_replies(held, waiting, faults, deadline)
                if waiting.get_map():
                    faults.append(f"A worker did not load the version in {self.patience:g} s.")
                return faults, died
            finally:
                for key in list(waiting.get_map().values()):
                    _close(waiting, key)

    def _send_to_first(
        self, message: bytes, waiting: selectors.BaseSelector, faults: list[str], seconds: float
    ) -> list[Path]:
        """Send ``message`` to one other worker, which may still have to start; return the rest."""
        deadline = time.monotonic() + seconds
        while True:
            others = [path for path in sorted(self._directory.glob("*.sock")) if path != self._path]
            while others and not faults:
                if self._send(others.pop(0), message, waiting, faults):
                    return others
            if faults or time.monotonic() >= deadline:
                return []
            time.sleep(0.05)

    def _send(
        self, path: Path, message: bytes, waiting: selectors.BaseSelector, faults: list[str]
    ) -> bool:
        """Send ``message`` to a worker; False where it is dead, or cannot be connected to."""
        try:
            connection = _connect(path)
        except OSError as error:  # out of file descriptors, for example: no worker is left out
            faults.append(f"A worker could not be reached: {error.strerror}.")
            return False
        if connection is None:
            return False
        try:
            connection.sendall(message)
        except ConnectionError:  # it died before it could load anything
            connection.close()
            return False
        waiting.register(connection, selectors.EVENT_READ, _PartialReply(path))
        return True

    def _collect_replies(
        self,
        held: ExitStack,
        waiting: selectors.BaseSelector,
        faults: list[str],
        deadline: float,
    ) -> tuple[int, int]:
        """Receive replies until all have arrived or the time is up; how many workers died, and how
        many left."""
        died = left = 0
        while waiting.get_map() and (seconds := deadline - time.monotonic()) > 0:
            for key, _ in waiting.select(seconds):
                reply = _receive(key)
                if reply is None:
                    continue
                waiting.unregister(key.fileobj)
                connection: Any = key.fileobj
                held.callback(connection.close)  # after which the worker releases the version
                if not reply:
                    key.data.path.unlink(missing_ok=True)  # no other promotion waits for it
                    died += 1
                    continue
                answer = json.loads(reply.splitlines()[0])
                left += answer.get("left", False)
                if answer["fault"] is not None:
                    faults.append(str(answer["fault"]))
        return died, left

    def _begin(self, target: Callable[..., None], *arguments: Any) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=target, args=arguments, name="fleet", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _serve(self, listener: socket.socket, prepare: Prepare) -> None:
        events = select.poll()
        events.register(listener, select.POLLIN)
        events.register(self._wake, select.POLLIN)
        leaving = False
        while not leaving:
            leaving = any(source == self._wake for source, _ in events.poll())
            for connection in _waiting_connections(listener):
                if leaving:
                    with connection:
                        _leave(connection)
                    continue
                self._connections.add(connection)
                # Each in its own thread: a version that hangs must not delay the next promotion.
                try:
                    self._begin(self._reply, connection, prepare)
                except RuntimeError as error:
                    logger.warning("a version cannot be prepared: %s", error)
                    self._connections.discard(connection)
                    _refuse(connection)

    def _reply(self, connection: socket.socket, prepare: Prepare) -> None:
        try:
            _reply(connection, prepare)
        finally:
            self._connections.discard(connection)


def _reply(connection: socket.socket, prepare: Prepare) -> None:
    with connection, suppress(OSError), ExitStack() as held:
        line = connection.makefile("rb").readline(_MAX_MESSAGE)
        if not line:
            return
        version = json.loads(line)
        fault: str | None = None
        try:
            held.enter_context(prepare(str(version["model"]), int(version["number"])))
        except VersionUnavailable as error:
            fault = error.why
        except RegistryError as error:
            fault = error.detail
        except Exception as error:
            logger.exception("a version could not be prepared")
            fault = f"{type(error).__name__}"
        _answer(connection, fault)
        connection.recv(1)  # until the requesting worker closes the connection, or has died


def _refuse(connection: socket.socket) -> None:
    """Answer that no thread can be started, once the request has arrived: a connection that is
    closed before would seem to be one of a worker that has died."""
    with connection, suppress(OSError):
        connection.settimeout(_REQUEST_SECONDS)
        connection.makefile("rb").readline(_MAX_MESSAGE)
        _answer(connection, "A worker can start no thread at present.")


def _answer(connection: socket.socket, fault: str | None) -> None:
    connection.sendall(json.dumps({"fault": fault}).encode() + b"\n")


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(path) as short:
            connection.connect(short)
    except (ConnectionRefusedError, FileNotFoundError):
        connection.close()
        path.unlink(missing_ok=True)  # its worker is dead
        return None
    except OSError:
        connection.close()
        raise
    return connection


def _receive(key: selectors.SelectorKey) -> bytes | None:
    """The whole reply; empty where the worker closed the connection; None where more follows."""
    connection: Any = key.fileobj
    try:
        part = connection.recv(_MAX_MESSAGE)
    except OSError:
        return b""
    received = key.data.received
    received.extend(part)
    if not part:
        return b""
    return bytes(received) if received.endswith(b"\n") else None


def _waiting_connections(listener: socket.socket) -> Iterator[socket.socket]:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # BlockingIOError: there are no more
            return
        connection.setblocking(True)
        yield connection


def _leave(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side has closed it
        connection.sendall(_LEFT)
        connection.shutdown(socket.SHUT_RDWR)


def _close(waiting: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    connection: Any = key.fileobj
    waiting.unregister(connection)
    connection.close()
