"""``hotswap policy``."""

import click

from cli.exits import WRONG_USAGE, CommandFailed
from cli.formatting import moment, one_line
from cli.names import ModelName
from cli.service import json_option, speaks_to_service
from cli.terminal import print_json
from hotswap import Registry
from hotswap.replies import Policy
from registry.errors import GateMalformed
from registry.gates import parse_all


@click.command
@click.argument("name", type=ModelName())
@click.option(
    "--set",
    "gates",
    multiple=True,
    metavar="GATE",
    help="Gate that replaces the present ones; may be repeated.",
)
@click.option("--clear", is_flag=True, help="Remove all gates.")
@json_option
@speaks_to_service
def policy(
    registry: Registry, *, name: str, gates: tuple[str, ...], clear: bool, as_json: bool
) -> None:
    """Show or set the gates that versions of the model NAME must pass to be promoted.

    A gate compares a metric with a number or with the champion's ('rmse <= champion * 1.02'; '@
    95%' requires a significant difference), or is 'signature compatible', 'data compatible',
    'input_example answered', 'latency_ms <= 5' or 'engine in trees, linear, onnx'.

    \b
    Example:
      hotswap policy housing --set "rmse < champion @ 95%" --set "signature compatible"
    """
    if gates and clear:
        raise click.UsageError("--set and --clear are mutually exclusive.")
    try:
        parse_all(gates)
    except GateMalformed as error:
        raise CommandFailed(error.detail, WRONG_USAGE, faults=error.faults) from error
    shown = registry.set_policy(name, gates) if gates or clear else registry.policy(name)
    print_json(shown) if as_json else _print_policy(name, shown)


def _print_policy(name: str, shown: Policy) -> None:
    for gate in shown["gates"]:
        click.echo(one_line(gate))
    if not shown["gates"]:
        click.echo(f"{name} has no gates: every version that can be loaded may be promoted.")
    if shown.get("updated_at"):
        click.echo(f"Set by {one_line(shown['updated_by'])}, {moment(shown['updated_at'])}.")
