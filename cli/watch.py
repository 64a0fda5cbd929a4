"""``hotswap watch``."""

import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import click

from api.logs import configure_logs
from cli.database import data_option
from cli.exits import SAID_NO, WRONG_USAGE, CommandFailed
from cli.settings import configured_settings
from config import SettingInvalid, Settings
from registry.errors import RegistryError

_ENDS = frozenset({signal.SIGTERM, signal.SIGINT})


@click.group
def watch() -> None:
    """Look after what is live: rollouts, alerts and webhooks."""


@watch.command
@data_option
@click.option(
    "--attached",
    is_flag=True,
    help="Also stop when standard input is closed, as it is when the process that started this one"
    " ends.",
)
def run(*, data: Path | None, attached: bool) -> None:
    """Run the keeper of this host until SIGTERM or SIGINT.

    'hotswap serve' does this by itself. Under another server, such as gunicorn, run it beside that,
    as the same user and with the same settings. If the data directory has a keeper already, this
    one waits, and takes its place when it ends.

    \b
    Example:
      hotswap watch run
      hotswap watch run --data /srv/hotswap
    """
    settings = configured_settings()
    if data is not None:
        settings = replace(settings, data=data)
    stopping = threading.Event()
    # Blocked before any thread is started, so that only the thread that waits for them gets them.
    # A handler could not set the event: it might interrupt a wait for it that holds its lock.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    threading.Thread(target=_stop_on_signal, args=(stopping,), name="signal", daemon=True).start()
    # The main process receives it to replace the workers; a terminal that closes sends it to all.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if attached:
        threading.Thread(target=_stop_at_end, args=(stopping,), name="input", daemon=True).start()
    try:
        configure_logs(settings)
    except SettingInvalid as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error
    _keep(settings, stopping)


def _keep(settings: Settings, stopping: threading.Event) -> None:
    # Late: with all that it imports, --help would take a second.
    from keeper.process import keep

    try:
        keep(settings, stopping)
    except ValueError as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error
    except RegistryError as error:
        raise CommandFailed(error.detail, SAID_NO) from error


def _stop_on_signal(stopping: threading.Event) -> None:
    signal.sigwait(_ENDS)
    stopping.set()


def _stop_at_end(stopping: threading.Event) -> None:
    """Set ``stopping`` when standard input is closed."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stopping.set()
