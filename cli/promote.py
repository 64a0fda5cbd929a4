"""``hotswap promote``."""

from typing import Any

import click

from cli.names import AliasName, IdempotencyKey, ModelName, VersionReference
from cli.promotion import expected_generation_option, print_promotion
from cli.service import json_option, speaks_to_service
from cli.terminal import print_json
from hotswap import UNSET, Registry
from hotswap.operations.promotions import ExpectedVersion


class Expected(click.ParamType[Any]):
    """A version number, or ``none`` where the alias must not exist yet."""

    name = "N|none"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> ExpectedVersion:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        if value == "none":
            return None
        if not value.isascii() or not value.isdigit():
            self.fail(f"{value!r} is neither a version number nor 'none'.", param, ctx)
        return int(value)


@click.command
@click.argument("name", type=ModelName())
@click.argument("version", type=VersionReference())
@click.option("--alias", type=AliasName(), help="Alias to move.  [default: production]")
@click.option(
    "--expected-version",
    type=Expected(),
    default=UNSET,
    help="Promote only if the alias points at this version now; 'none': if it does not exist.",
)
@expected_generation_option
@click.option("--reason", metavar="TEXT", help="Reason, for the history.")
@click.option("--force", is_flag=True, help="Promote even if gates fail.")
@click.option("--end-split", is_flag=True, help="Promote even if other versions share the alias.")
@click.option("--idempotency-key", type=IdempotencyKey(), help="Makes the request safe to repeat.")
@json_option
@speaks_to_service
def promote(
    registry: Registry,
    *,
    name: str,
    version: int | str,
    alias: str | None,
    expected_version: ExpectedVersion,
    expected_generation: int | None,
    reason: str | None,
    force: bool,
    end_split: bool,
    idempotency_key: str | None,
    as_json: bool,
) -> None:
    """Make VERSION of the model NAME live.

    Returns when every worker of the service serves it.

    \b
    Example:
      hotswap promote housing 3 --expected-version 2 --reason "lower rmse"
    """
    promotion = registry.promote(
        name,
        version,
        alias=alias,
        expected_version=expected_version,
        expected_generation=expected_generation,
        reason=reason,
        force=force,
        end_split=end_split,
        idempotency_key=idempotency_key,
    )
    print_json(promotion) if as_json else print_promotion(promotion)
