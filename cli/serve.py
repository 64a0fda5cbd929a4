"""``hotswap serve``: our WSGI application in several worker processes of granian."""

import multiprocessing
import os
import signal
import threading
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click

from api.defences import log_missing_defences
from api.logs import configure_logs
from cli.announce import announce
from cli.exits import SAID_NO, WRONG_USAGE, CommandFailed
from cli.hand_over import Service, Succession, take_over
from cli.hold import Hold
from cli.listening import listen
from cli.main_process import REPLACE, Command, MainProcess
from cli.preparation import AdminToken, prepare_here, prepared_by
from cli.settings import configured_settings
from cli.systemd import Notifier, configured_manager, forget
from config import ServiceManager, SettingInvalid, Settings
from registry.storage.sign_in_codes import SignInCodes


@click.command
@click.option(
    "--demo", is_flag=True, help="On the first start, train and promote two small models."
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Data directory.  [HOTSWAP_DATA, default: artifacts]",
)
@click.option("--host", help="Address to listen on.  [HOTSWAP_HOST, default: 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port to listen on.  [HOTSWAP_PORT or PORT, default: 8000]",
)
@click.option(
    "--uds",
    metavar="PATH",
    help="Unix socket to listen on, instead of a host and a port.  [HOTSWAP_UDS]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Worker processes.  [HOTSWAP_WORKERS, default: one for each core]",
)
@click.option(
    "--take-over",
    "take_over_service",
    is_flag=True,
    help="Replace the service that uses the data directory, without a gap.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the address of the service as one line of JSON."
)
def serve(*, demo: bool, as_json: bool, take_over_service: bool, **flags: Any) -> None:
    """Start the service and print its address, a link that signs in to the console, and on the
    first start the admin token.

    SIGTERM stops it when its requests have been answered, SIGHUP replaces the workers, and SIGUSR2
    starts a successor with --take-over.

    \b
    Example:
      hotswap serve --demo
      hotswap serve --data /srv/hotswap --host 0.0.0.0 --port 80 --workers 4
      hotswap serve --data /srv/hotswap --uds /run/hotswap/http.sock
    """
    # Before any thread: one waits for the signal, and a blocked one that comes early is not lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, {REPLACE})
    given = {name: value for name, value in flags.items() if value is not None}
    settings = replace(configured_settings(), **given)
    if settings.uds:
        settings = replace(settings, uds=str(Path(settings.uds).absolute()))
    manager, command = configured_manager(), Command.of_this_process()
    forget(os.environ)
    # Otherwise Python puts the working directory first on the import path of spawned processes.
    os.environ["PYTHONSAFEPATH"] = "1"
    succession = take_over(settings) if take_over_service else None
    service = succession.service if succession else claim(settings, manager)
    settings = service.settings
    try:
        # The workers read their settings from the environment, as under any other WSGI server.
        os.environ.update(settings.to_environment())
        # Nobody reads what a service manager or a successor prints, and it is stored.
        is_read = succession is None and manager == ServiceManager()
        MainProcess(
            service,
            succession,
            command,
            Notifier(manager.notify_socket),
            prepared=partial(_begin, settings),
            announce=partial(_tell, settings, is_read=is_read, demo=demo, as_json=as_json),
            token=_register_demo(service, succession) if demo else None,
        ).run()
    finally:
        service.close()


def claim(settings: Settings, manager: ServiceManager) -> Service:
    """The data directory and the sockets for a service that has no predecessor.

    Raises CommandFailed if another one uses them.
    """
    # First the directory: that says which service it is. But a new one is not created for nothing.
    hold = Hold.acquire(settings.data, settings.run_folder, create=False)
    listeners = listen(settings, manager)
    return Service(listeners.settings(settings), hold, listeners)


def warnings_for(settings: Settings, first_token: int | None) -> list[str]:
    """Warnings for an operator whose service accepts connections from other machines.

    ``first_token`` is the id of the admin token of the first start, if it is still in use.
    """
    if settings.is_local:
        return []
    found = []
    if settings.anonymous_predict:
        found.append(
            f"every client that reaches {settings.host} can predict without a token and without a "
            "rate limit (HOTSWAP_ANONYMOUS_PREDICT)."
        )
    if first_token is not None:
        found.append(
            "the admin token that the first start printed is still in use. Replace it: "
            f"hotswap tokens rotate {first_token}"
        )
    return found


def _begin(settings: Settings, token: AdminToken) -> None:
    """Warn, and log as configured, when the service is prepared. Raises CommandFailed."""
    SignInCodes(settings.run_folder).clear()
    try:
        configure_logs(settings)
    except SettingInvalid as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error
    for warning in warnings_for(settings, token.first):
        click.echo(f"Warning: {warning}", err=True)


def _tell(
    settings: Settings, token: AdminToken, *, is_read: bool, demo: bool, as_json: bool
) -> None:
    """Announce the service. Only then look for defences that are missing, which takes a process."""
    try:
        announce(
            settings,
            token.made,
            in_file=token.filed is not None,
            signs_in=token.usable if is_read else None,
            demo=demo,
            as_json=as_json,
        )
    finally:
        log_missing_defences(settings.data)


def _register_demo(service: Service, succession: Succession | None) -> AdminToken:
    """Prepare the service and register the demo models, in a child process: this one imports
    neither SQLAlchemy nor scikit-learn."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    keeps_schema = succession is not None
    process = context.Process(target=_demo, args=(service.settings, theirs, keeps_schema))
    process.start()
    try:
        with ours:
            token = prepared_by(ours, service.take_hold, lambda: not process.is_alive())
        if token is not None:
            _begin(service.settings, token)
        process.join()
    finally:
        process.terminate()
    if token is None or process.exitcode:
        raise CommandFailed("The demo models could not be trained; see above.", SAID_NO)
    return token


def _demo(settings: Settings, main: Connection, keeps_schema: bool) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if prepare_here(settings, main, keeps_schema=keeps_schema):
        from cli.demo import register_demo

        register_demo(settings)


def _end_with_parent() -> None:
    """End this process with its parent, which holds the data directory for it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
