"""``hotswap split``."""

import re
from typing import Any

import click

from cli.formatting import moment, one_line
from cli.gates import print_gates
from cli.names import AliasName, IdempotencyKey, ModelName
from cli.pairs import as_mapping
from cli.promotion import expected_generation_option, print_promotion
from cli.service import json_option, speaks_to_service
from cli.splits import percent
from cli.terminal import Column, print_json, print_table
from hotswap import Registry
from hotswap.replies import ArmTraffic, Split
from registry.names import PRODUCTION

COLUMNS = [Column("Version", right=True), Column("Weight", right=True), Column("Role")]
COUNTED = [
    Column("Requests", right=True),
    Column("Of requests", right=True),
    Column("Of keys", right=True),
]
_WEIGHT = re.compile(r"([1-9][0-9]{0,8})=([0-9]{1,3}(?:\.[0-9]{1,2})?)%?")


class Weight(click.ParamType[tuple[int, float]]):
    """``VERSION=PERCENT``, such as ``4=12.5``."""

    name = "VERSION=PERCENT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, float]:
        if isinstance(value, tuple):
            return value
        if (found := _WEIGHT.fullmatch(value)) is None:
            self.fail(
                f"{value!r} is not a version and its percentage with at most two decimals, such as "
                "4=12.5.",
                param,
                ctx,
            )
        number, share = found.groups()
        return int(number), float(share)


@click.command
@click.argument("name", type=ModelName())
@click.argument("weights", type=Weight(), nargs=-1)
@click.option("--alias", type=AliasName(), default=PRODUCTION, show_default=True, help="Alias.")
@click.option(
    "--by",
    type=click.Choice(["header", "token", "random"]),
    help="Choose the version of a request by X-Request-Key, by the token, or anew for each "
    "request.  [default: as at present, or header]",
)
@click.option("--end", is_flag=True, help="End the split.")
@click.option(
    "--expected-version",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only if the alias points at this version now.",
)
@expected_generation_option
@click.option("--reason", metavar="TEXT", help="Reason, for the history.")
@click.option("--force", is_flag=True, help="Split the alias even if gates fail.")
@click.option("--idempotency-key", type=IdempotencyKey(), help="Makes the request safe to repeat.")
@json_option
@speaks_to_service
def split(
    registry: Registry,
    *,
    name: str,
    weights: tuple[tuple[int, float], ...],
    alias: str,
    end: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Show the split of an alias of the model NAME with the real shares of its versions, change it,
    or end it.

    WEIGHTS are versions and their percentages, which add up to 100. The version that the alias
    points at is one of them.

    \b
    Example:
      hotswap split housing 3=90 4=10 --reason "trained on the data of October"
      hotswap split housing
      hotswap split housing --end
    """
    _check_options(options, changes=bool(weights), ends=end)
    if end:
        del options["by"], options["expected_version"], options["force"]
        ended = registry.end_split(name, alias=alias, **options)
        print_json(ended) if as_json else print_promotion(ended)
        return
    shares = as_mapping(((str(number), share) for number, share in weights), "WEIGHTS")
    found = (
        registry.split(
            name, {int(number): share for number, share in shares.items()}, alias=alias, **options
        )
        if weights
        else registry.get_split(name, alias)
    )
    print_json(found) if as_json else _print_split(found)


def _check_options(options: dict[str, Any], *, changes: bool, ends: bool) -> None:
    """Raises click.UsageError for options that have no effect."""
    if ends and changes:
        raise click.UsageError("--end takes no WEIGHTS.")
    given = [key for key, value in options.items() if value not in {None, False}]
    allowed = {"reason", "expected_generation", "idempotency_key"} if ends else set()
    if not changes and (useless := [key for key in given if key not in allowed]):
        option = f"--{useless[0].replace('_', '-')}"
        raise click.UsageError(f"{option} requires WEIGHTS, such as 3=90 4=10.")


def _print_split(split: Split) -> None:
    """Print what the version of a request is chosen by, the versions with their real shares as far
    as requests were counted, and gates that were evaluated."""
    where = f"{split['model']}/{split['alias']}"
    since = f"since {moment(split['since'])}, by {split['changed_by']}"
    why = f": {split['reason']}" if split["reason"] else ""
    click.echo(one_line(f"{where} is split by {split['by']}, {since}{why}"))
    traffic = split.get("traffic")
    counted = {arm["version"]: arm for arm in traffic["arms"]} if traffic else {}
    rows = [
        [
            arm["version"],
            percent(arm["weight"]),
            _role(split, arm["version"]),
            *(_shares(counted.get(arm["version"])) if traffic else []),
        ]
        for arm in split["arms"]
    ]
    print_table([*COLUMNS, *(COUNTED if traffic else [])], rows, "")
    if traffic:
        click.echo(
            f"{traffic['keys']:,} different keys; the one with the most requests has "
            f"{traffic['largest_key_share']:.2%} of them"
        )
    if gates := split.get("gates"):
        print_gates(gates)


def _shares(arm: ArmTraffic | None) -> list[str | None]:
    """What a version has answered; None: it is in the split since a moment ago."""
    if arm is None:
        return [None] * len(COUNTED)
    return [f"{arm['requests']:,}", f"{arm['request_share']:.2%}", f"{arm['key_share']:.2%}"]


def _role(split: Split, version: int) -> str | None:
    return "champion" if version == split["version"] else None
