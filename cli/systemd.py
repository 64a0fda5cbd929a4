"""The interface between systemd and the service: sd_listen_fds(3) and sd_notify(3)."""

import logging
import os
import socket
import time
from collections.abc import MutableMapping
from pathlib import Path

from cli.exits import SAID_NO, WRONG_USAGE, CommandFailed
from config import ServiceManager, SettingInvalid

logger = logging.getLogger(__name__)

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START"""


def configured_manager() -> ServiceManager:
    """What systemd passed in the environment. Raises CommandFailed if it cannot be read."""
    try:
        return ServiceManager.from_environment()
    except SettingInvalid as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error


def forget(environ: MutableMapping[str, str]) -> None:
    """Remove what is meant for this process alone from the environment of others."""
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET"):
        environ.pop(name, None)


def passed_socket(manager: ServiceManager) -> socket.socket | None:
    """The listening socket that systemd passed to this process, if it did.

    Raises CommandFailed if it passed several, or another kind of file.
    """
    if manager.listen_pid != os.getpid() or not manager.listen_fds:
        return None
    if manager.listen_fds > 1:
        raise CommandFailed(
            f"systemd passes {manager.listen_fds} sockets, and the service listens on one.",
            SAID_NO,
            advice="Keep one ListenStream= in the socket unit.",
        )
    os.set_inheritable(FIRST_DESCRIPTOR, False)
    try:
        passed = socket.socket(fileno=FIRST_DESCRIPTOR)
        listens = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise CommandFailed(
            f"What systemd passes is not a socket: {error.strerror}.", SAID_NO
        ) from error
    if passed.type != socket.SOCK_STREAM or not listens:
        raise CommandFailed(
            "The socket that systemd passes does not listen for connections.",
            SAID_NO,
            advice="Use ListenStream= and Accept=no in the socket unit.",
        )
    return passed


class Notifier:
    """Sends the state of the service to the socket ``address``, or nowhere if that is empty."""

    def __init__(self, address: str) -> None:
        # A name that begins with @ is in the abstract namespace: unix(7).
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self) -> None:
        """The service has started, or has finished reloading."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The service replaces its processes; ``ready`` follows."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The service has begun to stop."""
        self._send("STOPPING=1")

    def succeeded_by(self, pid: int) -> None:
        """Process ``pid`` is now the main process of the service."""
        self._send(f"MAINPID={pid}")

    def refusal(self, pid: int) -> str:
        """Why process ``pid`` cannot become the main process of the service; empty if it can.

        systemd accepts only a process in the control group of its service, and would start the
        service again beside another one.
        """
        if not self._address or _control_groups(pid) == _control_groups(os.getpid()):
            return ""
        return "it is a service of systemd. Replace it with 'systemctl reload'"

    def _send(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.connect(self._address)
                sending.sendall(state.encode())
        except OSError as error:
            logger.warning("systemd could not be notified: %s", error.strerror)


def _control_groups(pid: int) -> str:
    """The control groups of a process as cgroups(7) writes them; empty if it has ended, or is not
    visible here."""
    try:
        return Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return ""
