"""How the answer to a promotion or a rollback is shown."""

import click

from cli.terminal import Column, print_table
from cli.wording import one_line
from client.replies import Promotion

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
    if gates := promotion.get("gates"):
        rows = [
            [gate.get("gate"), gate.get("passed"), gate.get("candidate"), gate.get("champion")]
            for gate in gates
        ]
        print_table(GATE_COLUMNS, rows, "")
