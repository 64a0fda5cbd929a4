"""The sockets that the service listens on: its own, or those of systemd or its predecessor.

On a TCP port each worker has a socket of its own (SO_REUSEPORT). A Unix socket, and one of systemd,
is shared by all workers.
"""

import errno
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from cli.exits import SAID_NO, CommandFailed
from cli.systemd import passed_socket
from cli.unix_socket import SocketFile, bind_unix
from config import ServiceManager, Settings

BACKLOG = 1024
"""Connections that may wait in each socket."""

PORT_SECONDS = 5.0
"""How long to wait for an address that is in use."""

logger = logging.getLogger(__name__)

Bound = TypeVar("Bound")


@dataclass(slots=True)
class Listeners:
    """The sockets of one service, bound to one address."""

    sockets: list[socket.socket]
    """One for each worker, or one that all share."""
    shared: bool = False
    claim: socket.socket | None = None
    """Reserves the TCP port while no worker listens."""
    file: SocketFile | None = None
    """That of a Unix socket which the service has bound."""
    passed: bool = False
    """Whether systemd has bound the socket."""
    elsewhere: bool = False
    """Whether another main process listens on them too."""

    def of(self, worker: int) -> socket.socket:
        """The socket of the worker with this index."""
        return self.sockets[0 if self.shared else worker]

    def fit(self, settings: Settings) -> int:
        """Add sockets for the workers that ``settings`` require; return how many workers there are.

        A socket that exists stays, since connections wait in it; so there is a worker for each.
        """
        if self.shared:
            return settings.worker_count
        while len(self.sockets) < settings.worker_count:
            self.sockets.append(_for_worker(settings))
        count = len(self.sockets)
        if count > settings.worker_count:
            logger.warning("%d workers, as before the hand-over: there are as many sockets", count)
        return count

    def settings(self, settings: Settings) -> Settings:
        """``settings`` with the address of a socket that systemd has bound."""
        if not self.passed:
            return settings
        address = self.sockets[0].getsockname()
        if self.sockets[0].family != socket.AF_UNIX:
            return replace(settings, host=address[0], port=address[1], uds="")
        return replace(settings, uds=os.fsdecode(address).replace("\0", "@", 1))

    def silence(self, worker: int) -> None:
        """Let connections go to the other workers, until this one listens again."""
        if not (self.shared or self.elsewhere):
            with suppress(OSError):  # raised where the socket never listened
                self.sockets[worker].shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop listening in this process."""
        file, self.file = self.file, None
        if file is not None and not self.elsewhere:
            file.remove()
        for one in self.sockets:
            one.close()
        if self.claim is not None:
            self.claim.close()


def listen(
    settings: Settings, manager: ServiceManager | None = None, patience: float = PORT_SECONDS
) -> Listeners:
    """The socket that systemd passes, or sockets at the address of ``settings``.

    Waits until the address is free, because the workers of a killed service end a moment later.
    Raises CommandFailed after ``patience`` seconds, or if the address cannot be used.
    """
    passed = passed_socket(manager) if manager else None
    if passed is not None:
        if passed.family != socket.AF_UNIX:
            passed.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Listeners([passed], shared=True, passed=True)
    if settings.uds:
        path, mode = Path(settings.uds), int(settings.uds_mode, 8)
        bound, file = _patiently(lambda: bind_unix(path, mode, BACKLOG), settings, patience)
        return Listeners([bound], shared=True, file=file)
    claim = _patiently(lambda: _claim(settings), settings, patience)
    return Listeners([_for_worker(settings) for _ in range(settings.worker_count)], claim=claim)


def describe(settings: Settings) -> str:
    """The address of ``settings``, for messages."""
    if settings.uds:
        return settings.uds
    return f"{f'[{settings.host}]' if ':' in settings.host else settings.host}:{settings.port}"


def _patiently(bind: Callable[[], Bound], settings: Settings, patience: float) -> Bound:
    deadline = time.monotonic() + patience
    while True:
        try:
            return bind()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                other = (
                    "path with --uds" if settings.uds else "address or port with --host and --port"
                )
                raise CommandFailed(
                    f"Cannot listen on {describe(settings)}: {error.strerror}.",
                    SAID_NO,
                    advice=f"Choose another {other}.",
                ) from error
        time.sleep(0.1)


def _claim(settings: Settings) -> socket.socket:
    """A socket that reserves the port while it is open, also before workers listen.

    Raises OSError.
    """
    bound = _tcp_socket(settings)
    try:
        # Allows binding while closed connections are in TIME_WAIT.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((settings.host, settings.port))
        # From here on the port is shared with our workers' sockets, which have SO_REUSEPORT, but
        # not with other sockets that are bound in the same way as this one (man 7 socket).
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        bound.close()
        raise
    return bound


def _for_worker(settings: Settings) -> socket.socket:
    """A socket that listens as soon as its worker is up; the kernel distributes connections evenly
    over those that listen."""
    bound = _tcp_socket(settings)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        bound.setsockopt(socket.SOL_SOCKET, option, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound.bind((settings.host, settings.port))
    return bound


def _tcp_socket(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.socket(family, socket.SOCK_STREAM)
