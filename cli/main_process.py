"""The main process of ``hotswap serve``: takes a service over, offers it, starts a successor."""

import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from cli.exits import SAID_NO, CommandFailed
from cli.hand_over import Offer, Service, Succession
from cli.keeper_process import KeeperProcess
from cli.preparation import AdminToken, Preparation, prepared_by
from cli.server import DrainingServer, run_workers
from cli.systemd import Notifier

logger = logging.getLogger(__name__)

TAKE_OVER_SECONDS = 120.0
"""How long the workers of a successor may take until they have loaded the live versions."""

REPLACE = signal.SIGUSR2
"""Starts a successor. The caller of ``MainProcess.run`` blocks it before it starts a thread."""

_PAUSE_SECONDS = 0.05

_START = """
import os, sys
report = int(sys.argv[1])
os.set_inheritable(report, False)
os.write(report, b"%d" % os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ))
"""
"""Starts a process, reports its id, and ends."""


@dataclass(frozen=True, slots=True)
class Command:
    """The command line and the environment of a process, to start another one like it."""

    arguments: tuple[str, ...]
    environ: dict[str, str]

    @classmethod
    def of_this_process(cls) -> "Command":
        """To be taken before the environment is changed."""
        return cls((sys.executable, *sys.orig_argv[1:]), dict(os.environ))

    def successor(self) -> int:
        """Start a successor of this process, and return its process id. Raises OSError.

        Another process starts it and ends, so the successor becomes a child of systemd before it
        takes over. Of a main process that is not its child, systemd does not notice the end: with
        KillMode=mixed it would kill the service at once when it is to stop it.
        """
        more = () if "--take-over" in self.arguments else ("--take-over",)
        reported, report = os.pipe()
        with os.fdopen(reported, "rb") as reading:
            try:
                subprocess.run(  # noqa: S603 - our own
                    [sys.executable, "-I", "-S", "-c", _START, str(report), *self.arguments, *more],
                    env=self.environ,
                    pass_fds=[report],
                    check=False,
                )
            finally:
                os.close(report)
            pid = reading.read()
        if not pid:
            raise OSError("see above")
        return int(pid)


class MainProcess:
    """Runs the workers of ``service``. ``succession``: how it is taken over from a predecessor.

    ``REPLACE`` starts a successor from ``command``. The first worker prepares the service, and
    ``prepared`` is then called with the admin token, before it serves; with a ``token``, all that
    has been done. ``announce`` is called when the service is this process's.
    """

    def __init__(
        self,
        service: Service,
        succession: Succession | None,
        command: Command,
        notifier: Notifier,
        *,
        prepared: Callable[[AdminToken], None],
        announce: Callable[[AdminToken], None],
        token: AdminToken | None = None,
    ) -> None:
        self._service = service
        self._succession = succession
        self._command = command
        self._notifier = notifier
        self._prepared = prepared
        self._announce = announce
        self._token = token
        self._offer: Offer | None = None
        self._keeper = KeeperProcess() if service.settings.watch else None
        self._failure: Exception | None = None

    def run(self) -> None:
        """Serve until a signal or a successor ends it. Raises CommandFailed if the service could
        not be prepared or taken over, and any other error of that."""
        try:
            run_workers(
                self._service.settings,
                listeners=self._service.listeners,
                notifier=self._notifier,
                preparation=Preparation(keeps_schema=self._succession is not None)
                if self._token is None
                else None,
                beside=self._begin,
            )
        finally:
            if self._offer is not None:
                self._offer.close()
            if self._keeper is not None:
                self._keeper.close()
        if self._failure:
            raise self._failure

    def _begin(self, server: DrainingServer) -> None:
        """Take the service over, or wait until a worker is up; then offer and announce it, and
        start its keeper."""
        server.keeper = self._keeper
        try:
            token = self._wait_for_token(server)
            if token is None:
                return
            # One that was sent earlier is pending.
            threading.Thread(target=self._replace_on_signal, name="replace", daemon=True).start()
            if not self._wait_for_workers(server):
                return
        except Exception as error:  # noqa: BLE001 - the main thread raises it again
            self._failure = error
            server.signal_handler_interrupt(signal.SIGINT)
            return
        self._offer = self._offered(server)
        threading.Thread(target=self._announce, args=(token,), name="announce", daemon=True).start()
        if _wait(server, server.any_ready):
            self._notifier.ready()
            if self._keeper is not None:
                self._keeper.start()

    def _wait_for_token(self, server: DrainingServer) -> AdminToken | None:
        """Wait until the service is prepared; None if it was stopped first. Raises any error."""
        preparation = server.preparation
        if preparation is None:
            return self._token
        token = prepared_by(preparation.worker, self._service.take_hold, lambda: server.stopping)
        if token is not None:
            self._prepared(token)
            server.keep_metrics(self._service.settings)
            preparation.finish()
        return token

    def _wait_for_workers(self, server: DrainingServer) -> bool:
        """Wait until the workers can serve, and the service is this process's; false if it was
        stopped first. Raises CommandFailed."""
        if self._succession is None:
            return _wait(server, server.any_up)
        if failure := self._failure_to_start(server):
            raise CommandFailed(
                f"The service was not taken over: {failure}. Its predecessor keeps serving.",
                SAID_NO,
            )
        if server.stopping:
            return False
        self._succession.complete()
        self._service.take_hold()
        return True

    def _offered(self, server: DrainingServer) -> Offer | None:
        """None if there is no socket for successors; the service is served all the same."""
        try:
            return Offer(
                self._service, lambda pid: self._yield(server, pid), self._notifier.refusal
            )
        except OSError as error:
            logger.error("the service cannot be handed over: %s", error)  # noqa: TRY400
            return None

    def _failure_to_start(self, server: DrainingServer) -> str:
        """Wait until all workers are ready; why they are not, or empty."""
        deadline = time.monotonic() + TAKE_OVER_SECONDS
        while not server.all_ready() and not server.stopping:
            if server.any_ended():
                return "a worker ended before it was ready; see above"
            if time.monotonic() > deadline:
                return f"its workers were not ready after {TAKE_OVER_SECONDS:g} s"
            time.sleep(_PAUSE_SECONDS)
        return ""

    def _yield(self, server: DrainingServer, pid: int) -> None:
        logger.info("process %d has taken over the service", pid)
        self._notifier.succeeded_by(pid)
        server.yield_to_successor()

    def _replace_on_signal(self) -> None:
        while True:
            signal.sigwait({REPLACE})
            self._start_successor()

    def _start_successor(self) -> None:
        if os.getpid() == 1:
            logger.error("process 1 of a container cannot be replaced: replace the container")
            return
        self._notifier.reloading()
        try:
            successor = self._command.successor()
        except OSError as error:
            logger.error("no successor could be started: %s", error)  # noqa: TRY400
        else:
            _wait_for_end(successor)  # after a hand-over this process ends first
            logger.error(
                "the successor, process %d, has ended; this process keeps serving", successor
            )
        self._notifier.ready()


def _wait_for_end(pid: int) -> None:
    """Wait until the process ``pid``, which need not be a child, has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        ended.poll()
    finally:
        os.close(descriptor)


def _wait(server: DrainingServer, holds: Callable[[], bool]) -> bool:
    """Whether ``holds`` became true before the service was stopped."""
    while not holds():
        if server.stopping:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True
