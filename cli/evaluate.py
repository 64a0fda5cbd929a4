"""``hotswap evaluate``."""

import click

from cli.exits import SAID_NO
from cli.formatting import interval, one_line
from cli.gates import print_gates, trained_on
from cli.names import AliasName, ModelReference, Reference
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_json, print_table
from hotswap import Registry
from hotswap.replies import GateReport, Measured, Verdict

_COLUMNS = [
    Column("Metric"),
    Column("Candidate", right=True),
    Column("Champion", right=True),
    Column("Difference", right=True),
    Column("95% interval"),
]


@click.command
@click.argument("reference", metavar="NAME/VERSION", type=ModelReference())
@click.option(
    "--alias",
    type=AliasName(),
    help="Compare with the version of this alias.  [default: production]",
)
@click.option(
    "--gate", "gates", multiple=True, metavar="GATE", help="Also check this gate; may be repeated."
)
@click.option(
    "--last", is_flag=True, help="Show the last evaluation that still holds; measure nothing."
)
@json_option
@speaks_to_service
def evaluate(
    registry: Registry,
    *,
    reference: Reference,
    alias: str | None,
    gates: tuple[str, ...],
    last: bool,
    as_json: bool,
) -> None:
    """Measure a version and the champion on the model's holdout, without promoting.

    Exits with 1 if a gate fails.

    \b
    Example:
      hotswap evaluate housing/4 --gate "rmse < champion @ 95%"
    """
    if reference.version is None:
        raise click.UsageError("A version is required, such as housing/4 or housing/latest.")
    if last and gates:
        raise click.UsageError("--last shows the gates of the policy; it takes no --gate.")
    found: GateReport | Verdict
    if last:
        found = registry.verdict(reference.name, reference.version, alias=alias)
    else:
        found = registry.evaluate(reference.name, reference.version, alias=alias, gates=gates)
    print_json(found) if as_json else _print_report(found)
    if not found["passed"]:
        raise click.exceptions.Exit(SAID_NO)


def _trained_on(found: GateReport, one: Measured) -> str | None:
    """What is known of the rows of the holdout that a version was trained on; None: nothing, or
    that there are none."""
    holdout = found.get("holdout")
    if holdout is None or one.get("measured_on") != "holdout":
        return None
    return trained_on(one["version"], one.get("rows_trained_on"), holdout["rows"])


def _print_report(found: GateReport | Verdict) -> None:
    candidate, champion = found["candidate"], found.get("champion") or Measured()
    differences = found.get("differences") or {}
    names = dict.fromkeys([*candidate.get("metrics", {}), *champion.get("metrics", {})])
    rows: list[list[object]] = []
    for name in names:
        difference = differences.get(name)
        rows.append(
            [
                name,
                candidate.get("metrics", {}).get(name),
                champion.get("metrics", {}).get(name),
                None if difference is None else difference["value"],
                None if difference is None else interval(difference["interval"]),
            ]
        )
    print_table(_COLUMNS, rows, "There are no metrics.")
    for role, one in (("Candidate", candidate), ("Champion", champion)):
        if one.get("version") is not None:
            on = one.get("measured_on") or one.get("reason")
            click.echo(f"{role}: version {one['version']} ({one_line(on)})")
            if (said := _trained_on(found, one)) is not None:
                click.echo(f"Note: {said}")
    print_gates(found["gates"])
    if (at := found.get("evaluated_at")) is not None:
        click.echo(f"Evaluated at {at}.")
    click.echo(
        "All gates pass: it can be promoted." if found["passed"] else "It cannot be promoted."
    )
