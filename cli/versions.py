"""``hotswap versions``."""

import click

from cli.formatting import moment, size, with_intervals
from cli.names import ModelName
from cli.pairs import TagPair
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_json, print_table
from hotswap import Registry
from hotswap.replies import LiveVersion, Version

COLUMNS = [
    Column("Version", right=True),
    Column("Status"),
    Column("Kind"),
    Column("Aliases"),
    Column("Metrics"),
    Column("Size", right=True),
    Column("Created"),
    Column("By"),
]
SHOWN_METRICS = ("rmse", "r2", "accuracy", "f1_macro", "roc_auc")
"""The metrics in the list; ``hotswap show`` prints all of them."""


@click.command
@click.argument("name", type=ModelName())
@click.option("--sort", metavar="FIELD", help="Sort field, such as -metrics.rmse (-: descending).")
@click.option(
    "--status",
    type=click.Choice(["pending", "ready", "failed", "archived"]),
    help="Only versions with this status.",
)
@click.option("--kind", help="Only versions of this kind, such as forest.")
@click.option("--tag", type=TagPair(), help="Only versions with this tag.")
@click.option("--intervals", is_flag=True, help="Also show the 95% intervals of the metrics.")
@json_option
@speaks_to_service
def versions(
    registry: Registry,
    *,
    name: str,
    sort: str | None,
    status: str | None,
    kind: str | None,
    tag: tuple[str, str] | None,
    intervals: bool,
    as_json: bool,
) -> None:
    """List the versions of the model NAME, newest first.

    \b
    Example:
      hotswap versions housing --sort metrics.rmse --status ready
      hotswap versions housing --intervals
    """
    found = list(
        registry.versions(name, sort=sort, status=status, kind=kind, tag=tag, intervals=intervals)
    )
    if as_json:
        print_json(found)
        return
    print_table(
        COLUMNS,
        map(_row, found),
        f"{name} has no such versions." if status or kind or tag else f"{name} has no versions.",
    )


def main_metrics(one: Version | LiveVersion) -> dict[str, str]:
    """The metrics that lists show, with their intervals if they are known."""
    metrics = one.get("metrics") or {}
    shown = {key: metrics[key] for key in SHOWN_METRICS if key in metrics}
    return with_intervals(shown or metrics, one.get("metric_intervals"))


def _row(version: Version) -> list[object]:
    bytes_ = (version.get("artifact") or {}).get("size")
    return [
        version.get("version"),
        version.get("status"),
        version.get("kind"),
        version.get("aliases"),
        main_metrics(version),
        size(bytes_) if isinstance(bytes_, int) else None,
        moment(version.get("created_at")),
        version.get("created_by"),
    ]
