"""How the answer to a promotion or a rollback is shown."""

from collections.abc import Sequence

import click

from cli.terminal import Column, print_table
from cli.wording import one_line
from client.replies import Gate, Promotion

GATE_COLUMNS = [
    Column("Gate"),
    Column("Passed"),
    Column("Candidate", right=True),
    Column("Champion", right=True),
]


def print_promotion(promotion: Promotion) -> None:
    """Say what is live now and what was before; then the gates, where there were some."""
    live = f"{promotion['model']}/{promotion['alias']} is now version {promotion['version']}"
    previous = promotion.get("previous_version")
    if previous == promotion["version"]:
        click.echo(f"{one_line(live)}, as it was before.")
    elif previous is None:
        click.echo(f"{one_line(live)}.")
    else:
        click.echo(f"{one_line(live)}; before, it was version {previous}.")
    print_gates(promotion.get("gates") or [])


def print_gates(gates: Sequence[Gate]) -> None:
    """Write a table of the gates and their figures; nothing where there are none."""
    rows = [
        [gate.get("gate"), gate.get("passed"), gate.get("candidate"), gate.get("champion")]
        for gate in gates
    ]
    if rows:
        print_table(GATE_COLUMNS, rows, "")
