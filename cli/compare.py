"""``hotswap compare``."""

import json
from collections.abc import Iterator
from typing import Any

import click

from cli.formatting import ABSENT, cell, moment, size
from cli.names import ModelName, VersionReference
from cli.service import json_option, speaks_to_service
from cli.terminal import Column, print_heading, print_json, print_table
from hotswap import Registry

LEAST, MOST = 2, 10
SECTIONS = {
    "metrics": "Metrics, as uploaded",
    "measured": "Metrics, as measured by the registry",
    "params": "Parameters",
    "signature": "Signature",
    "lineage": "Lineage",
    "environment": "Environment",
}
DIFFERS = "*"
_HEADS = (
    *("status", "kind", "task", "aliases", "engine", "format", "size"),
    *("created_at", "created_by"),
)
_WIDEST = 64
"""A SHA-256."""


@click.command
@click.argument("name", type=ModelName())
@click.argument("versions", metavar="VERSION...", nargs=-1, type=VersionReference())
@click.option("--differences", is_flag=True, help="Show only the rows that differ.")
@json_option
@speaks_to_service
def compare(
    registry: Registry,
    *,
    name: str,
    versions: tuple[int | str, ...],
    differences: bool,
    as_json: bool,
) -> None:
    """Show two to ten versions of the model NAME side by side.

    A VERSION is a number, an alias or 'latest'. A star marks the rows that differ, and the best
    value of each metric of which it is known whether higher or lower is better.

    \b
    Example:
      hotswap compare housing 3 5
      hotswap compare housing production latest --differences
    """
    if not LEAST <= len(versions) <= MOST:
        raise click.UsageError(f"Expected {LEAST} to {MOST} versions, not {len(versions)}.")
    found = registry.compare(name, versions)
    if as_json:
        print_json(found)
        return
    columns = [Column("*"), Column(name), *(Column(_named(one)) for one in found["versions"])]
    print_table(columns, _heads(found["versions"]), "")
    for section, heading in SECTIONS.items():
        rows = [row for row in found[section] if row["differs"] or not differences]
        if rows:
            print_heading(heading)
            numbers = [one["version"] for one in found["versions"]]
            print_table(columns, (_row(row, numbers) for row in rows), "")


def _named(version: dict[str, Any]) -> str:
    number, reference = str(version["version"]), version["reference"]
    return number if reference == number else f"{number} ({reference})"


def _heads(versions: list[dict[str, Any]]) -> Iterator[list[object]]:
    shown = {"size": size, "created_at": moment}
    for key in _HEADS:
        values = [shown.get(key, cell)(version[key]) for version in versions]
        differs = any(value != values[0] for value in values)
        yield [DIFFERS if differs else " ", key.replace("_", " "), *values]


def _row(row: dict[str, Any], numbers: list[int]) -> list[object]:
    best = row.get("best", [])
    cells = [
        ABSENT if number in row["missing"] else _shown(value) + (" *" if number in best else "")
        for number, value in zip(numbers, row["values"], strict=True)
    ]
    return [DIFFERS if row["differs"] else " ", row["name"], *cells]


def _shown(value: object) -> str:
    """``value``, shortened; null and empty values differ from missing ones."""
    empty = value is None or value in ("", [], {})
    text = json.dumps(value) if empty else cell(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
