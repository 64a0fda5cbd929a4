"""What every command that speaks to the service shares: its options, its way to say no."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec

import click

from cli.exits import SAID_NO, UNREACHABLE, WRONG_USAGE, CommandFailed
from cli.gates import gate_faults
from client import (
    ClientError,
    ProblemReply,
    Registry,
    ReplyNotUnderstood,
    Retries,
    ServiceUnreachable,
)
from client.errors import AddressMalformed
from config import ClientSettings
from registry.errors import Fault

P = ParamSpec("P")

BRIEFLY = Retries(attempts=3, first_wait=0.25, longest_wait=2.0)
"""How a command tries again while somebody looks on."""


def speaks_to_service(command: Callable[Concatenate[Registry, P], None]) -> Callable[..., None]:
    """Give ``command`` the options --url and --token and, first, the Registry that they name.

    Its ClientErrors end the program as the exit codes have it.
    """

    def wrapped(*args: Any, url: str | None, token: str | None, **kwargs: Any) -> None:
        settings = ClientSettings.from_environment()
        try:
            with Registry(
                url or settings.url, token or settings.token, retries=BRIEFLY
            ) as registry:
                command(registry, *args, **kwargs)
        except ClientError as error:
            raise failed(error) from error

    token_option = click.option(
        "--token", metavar="TOKEN", help="Token to speak with, instead of HOTSWAP_TOKEN."
    )
    url_option = click.option(
        "--url", metavar="URL", help="Address of the service, instead of HOTSWAP_URL."
    )
    return url_option(token_option(update_wrapper(wrapped, command)))


def json_option(command: Callable[P, None]) -> Callable[P, None]:
    """Give ``command`` the flag --json, as ``as_json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout."
    )(command)


def failed(error: ClientError, before: str = "") -> CommandFailed:
    """The end of the command that ``error`` means; ``before`` says what had been done by then."""
    message = f"{before} {error}".lstrip()
    if isinstance(error, ServiceUnreachable):
        advice = "Is the service running there? Set HOTSWAP_URL or give --url."
        return CommandFailed(message, UNREACHABLE, advice=advice)
    if isinstance(error, AddressMalformed):
        return CommandFailed(message, WRONG_USAGE, advice="Mend --url/HOTSWAP_URL or the token.")
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
