"""Prints the address of the service as soon as it is ready."""

import json
import shlex
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

import click

from config import Settings

PATIENCE_SECONDS = 60
DEMO_RECORD = {
    "sepal length (cm)": 5.1,
    "sepal width (cm)": 3.5,
    "petal length (cm)": 1.4,
    "petal width (cm)": 0.2,
}
"""One row of the iris data, for the first prediction."""


def announce(
    settings: Settings, token: str | None, *, in_file: bool, demo: bool, as_json: bool
) -> None:
    """Wait until the service is ready, then print its address and how to use it.

    ``token`` is the admin token if this start created it; it is not printed again. ``in_file``:
    the token in ``admin.token`` is valid.
    """
    url = address_of(settings)
    if not _is_ready(url):
        return
    if as_json:
        click.echo(json.dumps({"url": url, "admin_token": token}))
    else:
        click.echo("\n".join(_lines(settings, url, token, in_file=in_file, demo=demo)))
    sys.stdout.flush()


def address_of(settings: Settings) -> str:
    """The URL of the service for clients on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    return f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{settings.port}"


def _lines(
    settings: Settings, url: str, token: str | None, *, in_file: bool, demo: bool
) -> list[str]:
    file = settings.data / "admin.token"
    lines = [f"Hotswap serves at {url} (interactive API documentation: {url}/docs)"]
    if token:
        lines += [f"Admin token, shown only once: {token}", f"It is also in {file}."]
    elif in_file:
        lines.append(f"The admin token is in {file}.")
    if demo:
        stored = f"$(cat {shlex.quote(str(file))})" if in_file else "$HOTSWAP_TOKEN"
        command = curl(url, token or stored, DEMO_RECORD)
        lines += ["", "Paste this for a prediction:", "", f"  {command}", ""]
    return lines


def curl(url: str, token: str, record: dict[str, float]) -> str:
    """A shell command for a prediction; ``token`` may be a command substitution."""
    return (
        f'curl -s {url}/models/iris/predict -H "Authorization: Bearer {token}"'
        f" -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(record))}"
    )


def _is_ready(url: str) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{url}/readyz", timeout=2) as reply:  # noqa: S310 - our own address
                if reply.status == 200:
                    return True
        except (URLError, OSError):
            time.sleep(0.1)
    return False
