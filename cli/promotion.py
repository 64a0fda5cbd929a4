"""What the commands that move an alias share."""

import click

from cli.formatting import one_line
from cli.gates import print_gates
from hotswap.replies import Promotion

expected_generation_option = click.option(
    "--expected-generation",
    type=click.IntRange(min=0),
    metavar="N",
    help="Only if the model is at this generation now, which every change of an alias increases.",
)


def print_promotion(promotion: Promotion) -> None:
    """Print the live version, the previous one, and the gates if there were any."""
    live = f"{promotion['model']}/{promotion['alias']} is now version {promotion['version']}"
    previous = promotion.get("previous_version")
    if promotion.get("split_ended"):
        click.echo(f"{one_line(live)} alone; its split has ended.")
    elif previous == promotion["version"]:
        click.echo(f"{one_line(live)}, as before.")
    elif previous is None:
        click.echo(f"{one_line(live)}.")
    else:
        click.echo(f"{one_line(live)}; it was version {previous}.")
    if late := promotion.get("unconfirmed_hosts"):
        named = ", ".join(late)
        click.echo(
            f"Warning: these hosts may still answer by the version before: {named}", err=True
        )
    if gates := promotion.get("gates"):
        print_gates(gates)
