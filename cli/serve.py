"""``hotswap serve``: our WSGI application in several worker processes of granian."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from cli.announce import announce
from cli.database import configured_settings
from cli.exits import SAID_NO, WRONG_USAGE, CommandFailed
from cli.hand_over import Service, Succession, take_over
from cli.hold import Hold
from cli.listening import describe, listen
from cli.main_process import REPLACE, Command, MainProcess
from cli.systemd import Notifier, configured_manager, forget
from config import ServiceManager, SettingInvalid, Settings
from registry.storage.database import Database
from registry.storage.schema import HEAD, current_revision


class AdminToken(NamedTuple):
    """``made``: its value, if this start generated it, to be shown. ``first``: the id of the one
    that the first start made, if it is in use. ``filed``: the digest of the valid one in the file.
    ``usable``: the digest of the configured one or of that in the file."""

    made: str | None
    first: int | None
    filed: str | None
    usable: str | None


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
        token = _prepare(service, succession)
        for warning in warnings_for(settings, token.first):
            click.echo(f"Warning: {warning}", err=True)
        if demo:
            _register_demo(settings)
        # The workers read their settings from the environment, as under any other WSGI server.
        os.environ.update(settings.to_environment())
        # Nobody reads what a service manager or a successor prints, and it is stored.
        is_read = succession is None and manager == ServiceManager()
        announcement = partial(
            announce,
            settings,
            token.made,
            in_file=token.filed is not None,
            signs_in=token.usable if is_read else None,
            demo=demo,
            as_json=as_json,
        )
        MainProcess(
            service,
            succession,
            command,
            Notifier(manager.notify_socket),
            partial(_tell, announcement, settings),
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


def _prepare(service: Service, succession: Succession | None) -> AdminToken:
    """Hold and prepare the data directory.

    With a predecessor it is held already, and keeps the predecessor's schema.
    """
    from api.logs import configure_logs
    from api.start import ADMIN_TOKEN_FILE, prepare
    from api.stores import Stores, warn_of_unconfirmed
    from registry.operations.ensure_admin import admin_token_in, first_token_in_use
    from registry.storage.sign_in_codes import SignInCodes
    from registry.tokens import token_digest

    settings = service.settings
    try:
        stores = Stores.of(settings, warn_of_unconfirmed)
    except ValueError as error:
        raise CommandFailed(str(error), SAID_NO) from error
    except OSError as error:
        raise CommandFailed(
            f"{Path(error.filename or settings.data).absolute()} cannot be used: {error.strerror}.",
            SAID_NO,
            advice="Choose other directories with --data or HOTSWAP_DATA, and HOTSWAP_RUN.",
        ) from error
    try:
        if succession is None:
            service.hold = service.hold or Hold.acquire(settings.data, settings.run_folder)
            service.hold.record(describe(settings))
        else:
            _require_schema(stores.database)
        made = prepare(stores)
        SignInCodes(settings.run_folder).clear()
        first_token = first_token_in_use(stores.database)
        filed = admin_token_in(stores.database, settings.data / ADMIN_TOKEN_FILE)
    finally:
        stores.close()
    try:
        configure_logs(settings)
    except SettingInvalid as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error
    if settings.admin_token:  # not printed, because standard output is often stored
        return AdminToken(None, first_token, filed, token_digest(settings.admin_token))
    return AdminToken(made, first_token, filed, filed)


def _tell(announcement: Callable[[], None], settings: Settings) -> None:
    """Announce the service. Only then look for defences that are missing, which takes a process."""
    from api.start import log_warnings

    try:
        announcement()
    finally:
        log_warnings(settings.data)


def _require_schema(database: Database) -> None:
    """Raises CommandFailed if the workers of a predecessor would have to serve with another schema
    than their own."""
    with database.read() as session:
        revision = current_revision(session.connection())
    if revision != HEAD:
        raise CommandFailed(
            f"This release migrates the database from schema {revision} to {HEAD}, which the "
            "running service does not support.",
            SAID_NO,
            advice="Stop that service, and start this one without --take-over.",
        )


def _register_demo(settings: Settings) -> None:
    """Register the demo models, in a child process: this one does not import scikit-learn."""
    process = multiprocessing.get_context("spawn").Process(target=_demo, args=(settings,))
    process.start()
    process.join()
    if process.exitcode:
        raise CommandFailed("The demo models could not be trained; see above.", SAID_NO)


def _demo(settings: Settings) -> None:
    from cli.demo import register_demo

    register_demo(settings)
