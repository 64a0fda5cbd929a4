"""Prints the address of the service as soon as it is ready."""

import http.client
import json
import shlex
import socket
import sys
import time
from datetime import UTC, datetime

import click

from config import Settings
from registry.storage.sign_in_codes import SignInCodes

PATIENCE_SECONDS = 60
DEMO_RECORD = {
    "sepal length (cm)": 5.1,
    "sepal width (cm)": 3.5,
    "petal length (cm)": 1.4,
    "petal width (cm)": 0.2,
}
"""One row of the iris data, for the first prediction."""


def announce(
    settings: Settings,
    token: str | None,
    *,
    in_file: bool,
    signs_in: str | None,
    demo: bool,
    as_json: bool,
) -> None:
    """Wait until the service is ready, then print its address and how to use it.

    ``token`` is the admin token if this start created it; it is not printed again. ``in_file``:
    the token in ``admin.token`` is valid. ``signs_in`` is the digest of the token that a link to
    the console signs in with; None: the link signs nobody in.
    """
    if not _is_ready(settings):
        return
    if as_json:
        click.echo(json.dumps({**_address(settings), "admin_token": token}))
    else:
        lines = _lines(settings, token, in_file=in_file, demo=demo)
        click.echo("\n".join([*console_lines(settings, signs_in), *lines]))
    sys.stdout.flush()


def _address(settings: Settings) -> dict[str, str]:
    return {"url": address_of(settings)} | ({"uds": settings.uds} if settings.uds else {})


def address_of(settings: Settings) -> str:
    """The URL of the service for clients on this machine; on a Unix socket any host will do."""
    if settings.uds:
        return "http://localhost"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    return f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{settings.port}"


def console_lines(settings: Settings, token: str | None) -> list[str]:
    """Where the console is: with a link that signs in once, if that is possible."""
    if settings.uds or not settings.console:
        return []
    if token and settings.has_sign_in_links:
        try:
            code = SignInCodes(settings.run_folder).make(token, datetime.now(UTC))
        except OSError as error:
            click.echo(f"Warning: there is no link that signs in: {error.strerror}.", err=True)
        else:
            return [
                "Open this link in a browser on this machine. It signs in to the console once,",
                "within ten minutes:",
                "",
                f"  {address_of(settings)}/console/link#{code}",
                "",
            ]
    return [f"The console is at {settings.public_url or address_of(settings)}/console"]


def _lines(settings: Settings, token: str | None, *, in_file: bool, demo: bool) -> list[str]:
    file = settings.data / "admin.token"
    if settings.uds:
        lines = [f"Hotswap serves at the Unix socket {settings.uds}"]
    else:
        url = address_of(settings)
        lines = [f"Hotswap serves at {url} (interactive API documentation: {url}/docs)"]
    if token:
        lines += [f"Admin token, shown only once: {token}", f"It is also in {file}."]
    elif in_file:
        lines.append(f"The admin token is in {file}.")
    if demo:
        stored = f"$(cat {shlex.quote(str(file))})" if in_file else "$HOTSWAP_TOKEN"
        command = curl(settings, token or stored, DEMO_RECORD)
        lines += ["", "Paste this for a prediction:", "", f"  {command}", ""]
    return lines


def curl(settings: Settings, token: str, record: dict[str, float]) -> str:
    """A shell command for a prediction; ``token`` may be a command substitution."""
    by = f"--unix-socket {shlex.quote(settings.uds)} " if settings.uds else ""
    return (
        f'curl -s {by}{address_of(settings)}/models/iris/predict -H "Authorization: Bearer {token}"'
        f" -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(record))}"
    )


class _UnixConnection(http.client.HTTPConnection):
    """A connection to a Unix socket, by its path or its abstract name: unix(7)."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=2)
        self._path = "\0" + path[1:] if path.startswith("@") else path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _is_ready(settings: Settings) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        connection = (
            _UnixConnection(settings.uds)
            if settings.uds
            else http.client.HTTPConnection(address_of(settings).removeprefix("http://"), timeout=2)
        )
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return True
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    return False
