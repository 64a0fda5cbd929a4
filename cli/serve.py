"""``hotswap serve``: granian with our WSGI application, and several worker processes."""

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
from cli.exits import SAID_NO, CommandFailed
from config import Settings

PORT_SECONDS = 5.0
"""How long a start waits for a port that is in use."""


@click.command
@click.option("--demo", is_flag=True, help="On first start, train and promote two small models.")
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
    "--json", "as_json", is_flag=True, help="Print where the service is as JSON, on one line."
)
def serve(*, demo: bool, as_json: bool, **flags: Any) -> None:
    """Start the service and print where it is, with the admin token at the first start.

    \b
    Example:
      hotswap serve --demo
      hotswap serve --data /srv/hotswap --host 0.0.0.0 --port 80 --workers 4
    """
    given = {name: value for name, value in flags.items() if value is not None}
    settings = replace(configured_settings(), **given)
    # Python starts spawned processes with the working directory first on their import path.
    os.environ["PYTHONSAFEPATH"] = "1"
    with claim_port(settings):
        token, first_token, in_file = _prepare(settings)
        for warning in warnings_for(settings, first_token):
            click.echo(f"Warning: {warning}", err=True)
        if demo:
            _register_demo(settings)
        # The workers read their settings from the environment, like under any other WSGI server.
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
    """What an operator should know who lets other machines in.

    ``first_token`` is the id of the admin token of the first start, while it is in use.
    """
    if settings.is_local:
        return []
    found = []
    if settings.anonymous_predict:
        found.append(
            f"whoever reaches {settings.host} may predict without a token, as often as they like "
            "(HOTSWAP_ANONYMOUS_PREDICT)."
        )
    if first_token is not None:
        found.append(
            "the admin token that the first start printed is still in use. Replace it: "
            f"hotswap tokens rotate {first_token}"
        )
    return found


def _prepare(settings: Settings) -> tuple[str | None, int | None, bool]:
    """Make the data directory ready. The admin token if it was made up here, to be shown; the id
    of the one of the first start if it is in use; whether the token in the file is valid."""
    from api.logs import configure_logs
    from api.services import Services
    from api.start import ADMIN_TOKEN_FILE, log_warnings, prepare
    from registry.operations.ensure_admin import first_token_in_use, holds_admin_token

    try:
        services = Services.build(settings)
    except ValueError as error:
        raise CommandFailed(str(error), SAID_NO) from error
    try:
        made = prepare(services)
        first_token = first_token_in_use(services.database)
        in_file = holds_admin_token(services.database, settings.data / ADMIN_TOKEN_FILE)
    finally:
        services.close()
    configure_logs(settings.log_level)
    log_warnings(settings.data)
    # Who chose the value knows it, and standard output is often kept.
    return None if settings.admin_token else made, first_token, in_file


def _register_demo(settings: Settings) -> None:
    """In a process of its own, so that this one never holds scikit-learn."""
    process = multiprocessing.get_context("spawn").Process(target=_demo, args=(settings,))
    process.start()
    process.join()
    if process.exitcode:
        raise CommandFailed("The demo models could not be made; see above.", SAID_NO)


def _demo(settings: Settings) -> None:
    from cli.demo import register_demo

    register_demo(settings)


def claim_port(settings: Settings, patience: float = PORT_SECONDS) -> socket.socket:
    """A socket that keeps other services off the port while it is open, also before ours listens.

    Waits until nobody listens on the port: the workers of a service that was killed end a moment
    later. Raises CommandFailed after ``patience`` seconds, or where the address is not ours.
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
                    advice="Choose another with --host and --port.",
                ) from error
        time.sleep(0.1)


def _bound(settings: Settings) -> socket.socket:
    """Raises OSError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Connections that have ended are no reason to wait.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((settings.host, settings.port))
        # From here on the port is shared with the sockets of our workers, which have SO_REUSEPORT,
        # and not with the next socket that is bound as this one was (man 7 socket).
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        bound.close()
        raise
    return bound
