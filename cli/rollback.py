"""``hotswap rollback``."""

import click

from cli.names import AliasName, ModelName
from cli.promotion import expected_generation_option, print_promotion
from cli.service import json_option, speaks_to_service
from cli.terminal import print_json
from hotswap import Registry


@click.command
@click.argument("name", type=ModelName())
@click.option(
    "--to-version",
    type=click.IntRange(min=1),
    metavar="N",
    help="Version to go back to.  [default: the previous one]",
)
@click.option("--alias", type=AliasName(), help="Alias to move.  [default: production]")
@click.option("--reason", metavar="TEXT", help="Reason, for the history.")
@click.option(
    "--expected-version",
    type=click.IntRange(min=1),
    metavar="N",
    help="Roll back only if the alias points at this version now.",
)
@expected_generation_option
@json_option
@speaks_to_service
def rollback(
    registry: Registry,
    *,
    name: str,
    to_version: int | None,
    alias: str | None,
    reason: str | None,
    expected_version: int | None,
    expected_generation: int | None,
    as_json: bool,
) -> None:
    """Make the previous version of the model NAME live again.

    A second rollback goes back one version further; it does not undo the first.

    \b
    Example:
      hotswap rollback housing --reason "complaints from sales"
    """
    promotion = registry.rollback(
        name,
        to_version=to_version,
        alias=alias,
        reason=reason,
        expected_version=expected_version,
        expected_generation=expected_generation,
    )
    print_json(promotion) if as_json else print_promotion(promotion)
