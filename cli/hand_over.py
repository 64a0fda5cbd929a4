"""Hands a service over to a successor: a second main process on the same data directory.

The main process listens on a Unix socket in the run folder. A successor connects to it and

1. receives the hold on the data directory and the listening sockets (SCM_RIGHTS, unix(7)),
2. starts its workers on them, while those of its predecessor keep serving,
3. reports that it is ready, and is answered that the service is its own; the predecessor stops.

If one of the two ends before 3, the other one keeps the service.
"""

import json
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cli.exits import SAID_NO, CommandFailed
from cli.hold import HELD_SECONDS, Hold, held, is_held
from cli.listening import Listeners, describe
from cli.unix_socket import SocketFile
from config import Settings
from registry.storage.run_sockets import publish, short_path

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""How long a predecessor may take for each answer."""

_TAKE, _READY, _YOURS = b"take", b"ready", b"yours"
_LONGEST = 65536
_ACCEPT_AGAIN_SECONDS = 1.0
"""After a failure, such as too many open files."""
_MOST_FILES = 200
"""In one message; the kernel allows 253."""
_CREDENTIALS = struct.Struct("3i")
"""struct ucred: process id, user id, group id."""


@dataclass(slots=True)
class Service:
    """What a main process serves with, and hands over: the data directory and the sockets."""

    settings: Settings
    hold: Hold | None
    """None until the data directory of the first start is known to be suitable."""
    listeners: Listeners

    def take_hold(self) -> None:
        """Hold the data directory, and record it. Raises CommandFailed if another service does."""
        self.hold = self.hold or Hold.acquire(self.settings.data, self.settings.run_folder)
        if self.hold is not None:
            self.hold.record(describe(self.settings))

    def release(self) -> None:
        """End the hold of this process."""
        hold, self.hold = self.hold, None
        if hold is not None:
            hold.close()

    def close(self) -> None:
        """Stop listening in this process, and end its hold."""
        self.listeners.close()
        self.release()


class Offer:
    """Offers ``service`` to successors, one at a time, until it is closed.

    ``yielded`` is called with the process id of a successor that is ready. It begins to stop the
    workers of this process, and does not wait for that. ``unsuitable`` returns why a process cannot
    be the successor, or an empty text. Raises OSError if it cannot listen for successors.
    """

    def __init__(
        self,
        service: Service,
        yielded: Callable[[int], None],
        unsuitable: Callable[[int], str] = lambda _: "",
    ) -> None:
        self._service = service
        self._yielded = yielded
        self._unsuitable = unsuitable
        self._path = _path(service.settings)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._successor: int | None = None
        self._choosing = threading.Lock()
        self._closed = threading.Event()
        try:
            publish(self._listener, self._path, backlog=4)
        except OSError:
            self._listener.close()
            raise
        self._begin(self._accept)

    def close(self) -> None:
        """Stop offering the service."""
        if self._successor is None:  # otherwise the path is about to be the successor's
            self._path.unlink(missing_ok=True)
        self._stop_accepting()

    def _begin(self, target: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=target, args=arguments, name="hand-over", daemon=True).start()

    def _stop_accepting(self) -> None:
        self._closed.set()
        with suppress(OSError):  # it was closed before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._closed.wait(_ACCEPT_AGAIN_SECONDS):
                    return
                logger.warning("a successor could not connect: %s", error)
                continue
            self._begin(self._answer, connection)

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            pid, user, _ = _CREDENTIALS.unpack(
                connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            )
            if connection.recv(_LONGEST) != _TAKE:
                return
            if refusal := self._refusal(pid, user):
                connection.send(json.dumps({"refused": refusal}).encode())
                return
            self._hand_over(connection, pid)

    def _refusal(self, pid: int, user: int) -> str:
        """Why the process ``pid`` of ``user`` is refused; empty if it is the successor now."""
        if user != os.geteuid():
            return f"it runs as user {os.geteuid()}, and this process as user {user}"
        if os.getpid() == 1:
            return "it is process 1 of a container, which ends with it. Replace the container"
        if reason := self._unsuitable(pid):
            return reason
        with self._choosing:
            if self._successor is not None:
                return f"process {self._successor} is taking it over already"
            self._successor = pid
        return ""

    def _hand_over(self, connection: socket.socket, pid: int) -> None:
        self._service.listeners.elsewhere = True
        try:
            _send(connection, self._service)
            is_ready = connection.recv(_LONGEST) == _READY
        except ConnectionError:
            is_ready = False
        if not is_ready:
            logger.error("process %d did not take over the service, which continues here", pid)
            self._service.listeners.elsewhere = False
            self._successor = None
            return
        self._stop_accepting()
        self._service.release()
        self._yielded(pid)
        connection.send(_YOURS)


@dataclass(slots=True)
class Succession:
    """A service that its predecessor has shared with this process, and has yet to leave to it."""

    service: Service
    predecessor: socket.socket

    def complete(self) -> None:
        """Have the predecessor stop. The service belongs to this process when it has answered, or
        has ended.

        Without a time limit: a predecessor that answers late stops all the same, and until then
        both serve.
        """
        with self.predecessor, suppress(ConnectionError):
            self.predecessor.settimeout(None)
            self.predecessor.send(_READY)
            self.predecessor.recv(_LONGEST)
        self.service.listeners.elsewhere = False

    def abandon(self) -> None:
        """Leave the service to the predecessor, as the end of this process does."""
        self.service.close()
        self.predecessor.close()


def take_over(settings: Settings, patience: float = HELD_SECONDS) -> Succession | None:
    """Have the service on the data directory of ``settings`` share its sockets with this process.

    None if no service uses the directory. Raises CommandFailed if it refuses, or has another
    address than ``settings``, or does not answer within ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        connection = _connect(_path(settings))
        if connection is not None and (succession := _receive(connection, settings)):
            return succession
        if not is_held(settings.data, settings.run_folder):
            return None
        if time.monotonic() > deadline:
            error = held(settings.data, settings.run_folder)
            error.message += " It cannot be taken over now: it is still starting, or is stopping."
            raise error
        time.sleep(0.1)


def _path(settings: Settings) -> Path:
    return settings.run_folder / "main.sock"


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(ANSWER_SECONDS)
    try:
        with short_path(path) as short:
            connection.connect(short)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError:
        connection.close()
        raise
    return connection


def _send(connection: socket.socket, service: Service) -> None:
    listeners = service.listeners
    sockets = [*filter(None, [listeners.claim]), *listeners.sockets]
    files = [service.hold.descriptor, *(one.fileno() for one in sockets)]
    message = {
        "files": len(files),
        "address": describe(service.settings),
        "claimed": listeners.claim is not None,
        "shared": listeners.shared,
        "passed": listeners.passed,
        "file": listeners.file and asdict(listeners.file),
    }
    connection.send(json.dumps(message).encode())
    for at in range(0, len(files), _MOST_FILES):
        socket.send_fds(connection, [b"files"], files[at : at + _MOST_FILES])


def _receive(connection: socket.socket, settings: Settings) -> Succession | None:
    """None if the predecessor has ended. Raises CommandFailed."""
    files: list[int] = []
    try:
        connection.send(_TAKE)
        message = json.loads(connection.recv(_LONGEST) or b"{}")
        while len(files) < message.get("files", 0):
            flags = socket.MSG_CMSG_CLOEXEC
            received = socket.recv_fds(connection, _LONGEST, _MOST_FILES, flags)[1]
            if not received:
                break
            files += received
    except ConnectionError:
        message = {}
    except TimeoutError as error:
        raise CommandFailed("The running service does not answer.", SAID_NO) from error
    if refusal := message.get("refused"):
        connection.close()
        raise CommandFailed(f"The service was not handed over: {refusal}.", SAID_NO)
    if not files or len(files) < message["files"]:
        for one in files:
            os.close(one)
        connection.close()
        return None
    hold, *rest = files
    sockets = [socket.socket(fileno=one) for one in rest]
    listeners = Listeners(
        claim=sockets.pop(0) if message["claimed"] else None,
        sockets=sockets,
        shared=message["shared"],
        passed=message["passed"],
        file=message["file"] and SocketFile(**message["file"]),
        elsewhere=True,
    )
    service = Service(listeners.settings(settings), Hold(hold), listeners)
    succession = Succession(service, connection)
    if not listeners.passed and message["address"] != describe(settings):
        succession.abandon()
        raise CommandFailed(
            f"The service listens at {message['address']}, and this process is configured for "
            f"{describe(settings)}. A hand-over cannot change the address.",
            SAID_NO,
            advice="Give the same --host, --port and --uds, or restart the service.",
        )
    return succession
