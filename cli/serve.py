"""``hotswap serve``: our WSGI application in several worker processes of granian."""

import errno
import multiprocessing
import os
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from cli.announce import announce
from cli.database import configured_settings
from cli.exits import SAID_NO, WRONG_USAGE, CommandFailed
from config import SettingInvalid, Settings

PORT_SECONDS = 5.0
"""How long to wait for a port that is in use."""


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
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Worker processes.  [HOTSWAP_WORKERS, default: one for each core]",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the address of the service as one line of JSON."
)
def serve(*, demo: bool, as_json: bool, **flags: Any) -> None:
    """Start the service and print its address, and on the first start the admin token.

    \b
    Example:
      hotswap serve --demo
      hotswap serve --data /srv/hotswap --host 0.0.0.0 --port 80 --workers 4
    """
    given = {name: value for name, value in flags.items() if value is not None}
    settings = replace(configured_settings(), **given)
    # Otherwise Python puts the working directory first on the import path of spawned processes.
    os.environ["PYTHONSAFEPATH"] = "1"
    with claim_port(settings):
        token, first_token, in_file = _prepare(settings)
        for warning in warnings_for(settings, first_token):
            click.echo(f"Warning: {warning}", err=True)
        if demo:
            _register_demo(settings)
        # The workers read their settings from the environment, as under any other WSGI server.
        os.environ.update(settings.to_environment())
        watcher = threading.Thread(
            target=announce,
            args=(settings, token),
            kwargs={
                "in_file": in_file,
                "demo": demo,
                "as_json": as_json,
            },
            name="announce",
            daemon=True,
        )
        watcher.start()
        from cli.server import run_workers

        run_workers(settings)


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


def _prepare(settings: Settings) -> tuple[str | None, int | None, bool]:
    """Prepare the data directory. Returns the admin token if it was generated here, to be shown;
    the id of the admin token of the first start if it is in use; and whether the token in the file
    is valid."""
    from api.logs import configure_logs
    from api.services import Services
    from api.start import ADMIN_TOKEN_FILE, log_warnings, prepare
    from registry.operations.ensure_admin import first_token_in_use, holds_admin_token

    try:
        services = Services.build(settings)
    except ValueError as error:
        raise CommandFailed(str(error), SAID_NO) from error
    except OSError as error:
        raise CommandFailed(
            f"The data directory {settings.data.absolute()} cannot be used: {error.strerror}.",
            SAID_NO,
            advice="Choose another with --data or HOTSWAP_DATA.",
        ) from error
    try:
        made = prepare(services)
        first_token = first_token_in_use(services.database)
        in_file = holds_admin_token(services.database, settings.data / ADMIN_TOKEN_FILE)
    finally:
        services.close()
    try:
        configure_logs(settings)
    except SettingInvalid as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error
    log_warnings(settings.data)
    # A configured token is not printed, because standard output is often stored.
    return None if settings.admin_token else made, first_token, in_file


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


def claim_port(settings: Settings, patience: float = PORT_SECONDS) -> socket.socket:
    """A socket that reserves the port while it is open, also before our workers listen.

    Waits until the port is free, because the workers of a killed service end a moment later. Raises
    CommandFailed after ``patience`` seconds, or if the address is not local.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return _bound(settings)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise CommandFailed(
                    f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.",
                    SAID_NO,
                    advice="Choose another address or port with --host and --port.",
                ) from error
        time.sleep(0.1)


def _bound(settings: Settings) -> socket.socket:
    """Raises OSError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
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
