"""Options and error handling of all commands that use the service."""

from collections.abc import Callable
from functools import update_wrapper
from importlib.metadata import version
from typing import Any, Concatenate, ParamSpec

import click

from cli.exits import REINSTALL, SAID_NO, UNREACHABLE, WRONG_USAGE, CommandFailed
from cli.gates import gate_faults
from config import ClientSettings
from hotswap import (
    ClientError,
    ProblemReply,
    Registry,
    ReplyNotUnderstood,
    Retries,
    ServiceUnreachable,
    __version__,
)
from hotswap.errors import AddressMalformed, ClusterFailed
from registry.errors import Fault

P = ParamSpec("P")

BRIEFLY = Retries(attempts=3, first_wait=0.25, longest_wait=2.0)
"""Retries of an interactive command."""


def speaks_to_service(command: Callable[Concatenate[Registry, P], None]) -> Callable[..., None]:
    """Add the options --url and --token to ``command``; its first argument is the Registry.

    A ClientError ends the command with the matching exit code.
    """

    def wrapped(*args: Any, url: str | None, token: str | None, **kwargs: Any) -> None:
        _check_client()
        settings = ClientSettings.from_environment()
        try:
            with Registry(
                url or settings.url, token or settings.token, retries=BRIEFLY
            ) as registry:
                command(registry, *args, **kwargs)
        except ClientError as error:
            raise failed(error) from error

    token_option = click.option("--token", metavar="TOKEN", help="Token, instead of HOTSWAP_TOKEN.")
    url_option = click.option(
        "--url", metavar="URL", help="Address of the service, instead of HOTSWAP_URL."
    )
    return url_option(token_option(update_wrapper(wrapped, command)))


def _check_client() -> None:
    """Raises CommandFailed if the package ``hotswap`` is of another release than this command."""
    if __version__ != (service := version("hotswap")):
        raise CommandFailed(
            f"The package hotswap is of release {__version__}, the service of {service}.",
            SAID_NO,
            advice=REINSTALL,
        )


def json_option(command: Callable[P, None]) -> Callable[P, None]:
    """Add the flag --json to ``command``, as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print only JSON on stdout.")(
        command
    )


def failed(error: ClientError, before: str = "") -> CommandFailed:
    """The CommandFailed for ``error``; ``before`` says what had been done by then."""
    message = f"{before} {error}".lstrip()
    if isinstance(error, ServiceUnreachable):
        advice = "Check that the service is running, and set HOTSWAP_URL or give --url."
        return CommandFailed(message, UNREACHABLE, advice=advice)
    if isinstance(error, ClusterFailed):
        return CommandFailed(message, UNREACHABLE, advice="Check the scheduler and its workers.")
    if isinstance(error, AddressMalformed):
        return CommandFailed(message, WRONG_USAGE, advice="Correct --url/HOTSWAP_URL or the token.")
    if isinstance(error, ProblemReply):
        return CommandFailed(
            message,
            SAID_NO,
            faults=(
                *(Fault(fault.at, fault.message) for fault in error.errors),
                *gate_faults(error.problem.get("gates")),
            ),
            advice=_advice(error),
            request_id=error.request_id,
        )
    if isinstance(error, ReplyNotUnderstood):
        advice = "Check that HOTSWAP_URL or --url is the address of this service."
        return CommandFailed(message, SAID_NO, advice=advice, request_id=error.request_id or "")
    return CommandFailed(message, SAID_NO)


def _advice(problem: ProblemReply) -> str:
    if problem.status == 401:
        return "Set HOTSWAP_TOKEN or give --token."
    if problem.status in {429, 503}:
        when = f"in {problem.retry_after:.0f} s" if problem.retry_after else "in a moment"
        return f"Try again {when}."
    return ""
