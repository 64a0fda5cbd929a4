"""How the answer to a promotion or a rollback is shown."""

import click

from cli.formatting import one_line
from cli.gates import print_gates
from client.replies import Promotion


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
        print_gates(gates)
