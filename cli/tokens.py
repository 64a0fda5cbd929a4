"""``hotswap tokens``."""

from datetime import UTC, datetime, timedelta

import click

from cli.exits import SAID_NO, CommandFailed
from cli.formatting import moment
from cli.service import failed, json_option, speaks_to_service
from cli.spans import Span
from cli.terminal import Column, print_json, print_pairs, print_table
from hotswap import ClientError, Registry
from hotswap.replies import NewToken

SCOPES = ("predict", "upload", "promote", "admin")
COLUMNS = [
    Column("Id", right=True),
    Column("Name"),
    Column("Kind"),
    Column("Scopes"),
    Column("Models"),
    Column("Last used"),
    Column("Expires"),
    Column("Revoked"),
]


@click.group
def tokens() -> None:
    """Create, list, rotate and revoke tokens. Requires the scope admin."""


@tokens.command
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    required=True,
    help="Allowed operations; may be repeated.",
)
@click.option(
    "--model",
    "models",
    metavar="GLOB",
    multiple=True,
    help="Limit it to models whose name matches; may be repeated.  [default: all]",
)
@click.option("--expires", type=Span(), help="Lifetime, such as 90d.  [default: unlimited]")
@click.option("--person", is_flag=True, help="A person uses it, not a program.")
@json_option
@speaks_to_service
def create(
    registry: Registry,
    *,
    name: str,
    scopes: tuple[str, ...],
    models: tuple[str, ...],
    expires: timedelta | None,
    person: bool,
    as_json: bool,
) -> None:
    """Create a token called NAME. Its secret is shown only once.

    \b
    Example:
      hotswap tokens create ci --scope upload --scope promote --model 'housing*' --expires 90d
    """
    expires_at = None if expires is None else datetime.now(UTC).replace(microsecond=0) + expires
    kind = "person" if person else None
    made = registry.create_token(name, scopes, models=models, expires_at=expires_at, kind=kind)
    _show(made, as_json)


@tokens.command(name="list")
@click.option("--state", type=click.Choice(("valid", "expired", "revoked")), help="Only these.")
@click.option("--query", metavar="TEXT", help="Only tokens whose name contains TEXT.")
@json_option
@speaks_to_service
def list_(registry: Registry, *, state: str | None, query: str | None, as_json: bool) -> None:
    """List the tokens, without their secrets.

    \b
    Example:
      hotswap tokens list --state valid
    """
    found = list(registry.tokens(state=state, q=query))
    if as_json:
        print_json(found)
        return
    rows = [
        [
            token.get("id"),
            token.get("name"),
            token.get("kind"),
            token.get("scopes"),
            token.get("models") or "all",
            moment(token.get("last_used_at")),
            moment(token["expires_at"]) if token.get("expires_at") else "never",
            moment(token.get("revoked_at")),
        ]
        for token in found
    ]
    print_table(COLUMNS, rows, "There are no tokens.")


@tokens.command
@click.argument("token_id", metavar="ID", type=click.IntRange(min=1))
@json_option
@speaks_to_service
def rotate(registry: Registry, token_id: int, as_json: bool) -> None:
    """Create a new token with the rights of token ID, show it, and revoke the old one.

    ID may be the token that this command itself uses. The history keeps both events.

    \b
    Example:
      hotswap tokens rotate 1
    """
    old = next((token for token in registry.tokens() if token["id"] == token_id), None)
    if old is None or old.get("revoked_at"):
        raise CommandFailed(f"There is no valid token with the id {token_id}.", SAID_NO)
    expires_at = datetime.fromisoformat(old["expires_at"]) if old.get("expires_at") else None
    made = registry.create_token(
        old["name"],
        old["scopes"],
        models=old.get("models") or (),
        expires_at=expires_at,
        kind=old.get("kind"),
    )
    # Shown before the old one is revoked, so that a failure leaves the user with a valid token.
    _show(made, as_json)
    try:
        registry.revoke_token(token_id)
    except ClientError as error:
        raise failed(
            error, f"The new token is valid, but the old one, {token_id}, was not revoked:"
        ) from error
    click.echo(f"Token {token_id} was revoked.", err=True)


@tokens.command
@click.argument("token_id", metavar="ID", type=click.IntRange(min=1))
@json_option
@speaks_to_service
def revoke(registry: Registry, token_id: int, as_json: bool) -> None:
    """Revoke the token ID immediately.

    \b
    Example:
      hotswap tokens revoke 7
    """
    registry.revoke_token(token_id)
    if as_json:
        print_json({"id": token_id, "revoked": True})
    else:
        click.echo(f"Token {token_id} was revoked.")


def _show(token: NewToken, as_json: bool) -> None:
    if as_json:
        print_json(token)
        return
    print_pairs(
        {
            "token": token.get("token"),
            "id": token.get("id"),
            "name": token.get("name"),
            "scopes": token.get("scopes"),
            "models": token.get("models") or "all",
            "expires": moment(token["expires_at"]) if token.get("expires_at") else "never",
        }
    )
    click.echo("Store the token now: it cannot be shown again.", err=True)
