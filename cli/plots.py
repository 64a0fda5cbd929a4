"""``hotswap plots``."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.exits import SAID_NO, WRONG_USAGE, CommandFailed
from cli.formatting import one_line
from cli.names import ModelReference, Reference
from cli.service import json_option, speaks_to_service
from cli.stages import Stages
from cli.terminal import print_json
from hotswap import Registry
from hotswap.problems import PlotNotFound
from hotswap.replies import Version
from registry.extras import is_installed, missing
from registry.names import PRODUCTION
from registry.storage.durable import write_whole

if TYPE_CHECKING:  # it imports matplotlib, which --help must not wait for
    from cli.drawing.plots import Picture


@click.command
@click.argument("reference", metavar="NAME[/VERSION]", type=ModelReference())
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Directory for the plots; created if it does not exist.",
)
@click.option(
    "--svg", is_flag=True, help="Let the service draw them, as SVG alone; needs no matplotlib."
)
@json_option
@speaks_to_service
def plots(registry: Registry, *, reference: Reference, out: Path, svg: bool, as_json: bool) -> None:
    """Draw plots of a version's evaluation, as SVG and PNG.

    For a regression: predicted against true values, and residuals. For a classification: confusion
    matrix, ROC, precision and recall, and calibration. For both: importances or coefficients.
    VERSION is 'production' unless given. Requires matplotlib, which the extra 'plots' installs.

    \b
    Example:
      hotswap plots housing/3 --out plots
      hotswap plots housing/3 --out plots --svg
    """
    if svg:
        _save_drawn(registry, reference, out, as_json)
        return
    if not is_installed("plots"):
        raise CommandFailed(missing("plots", "Drawing plots"), WRONG_USAGE)
    wanted = PRODUCTION if reference.version is None else reference.version
    version = registry.version(reference.name, wanted)
    drawn = _draw(version, registry.evaluation(reference.name, version["version"]))
    out.mkdir(parents=True, exist_ok=True)
    for picture in drawn:
        for name, content in picture.files.items():
            write_whole(out / name, content, 0o644)
    if as_json:
        print_json([_described(picture, out) for picture in drawn])
        return
    for picture in drawn:
        for name in picture.files:
            click.echo(one_line(out / name))


def _save_drawn(registry: Registry, reference: Reference, out: Path, as_json: bool) -> None:
    """Write what the service draws. Raises CommandFailed where there is nothing to draw."""
    from registry.plots.content import PLOTS

    version = registry.version(reference.name, reference.version or PRODUCTION)
    drawn = {}
    for plot in PLOTS:
        with suppress(PlotNotFound):
            drawn[plot] = registry.plot(reference.name, version["version"], plot)
    if not drawn:
        raise _nothing_to_draw(f"{version['model']}/{version['version']}")
    out.mkdir(parents=True, exist_ok=True)
    for plot, content in drawn.items():
        write_whole(out / f"{plot}.svg", content.encode(), 0o644)
    if as_json:
        print_json([{"plot": plot, "files": [str(out / f"{plot}.svg")]} for plot in drawn])
        return
    for plot in drawn:
        click.echo(one_line(out / f"{plot}.svg"))


def _draw(version: Version, evaluation: dict[str, Any]) -> "list[Picture]":
    """All plots of a version. Raises CommandFailed where it has none."""
    with Stages() as stage:
        stage("loading matplotlib")
        from cli.drawing.look import Subject
        from cli.drawing.plots import pictures
        from registry.reading.stored_evaluation import read_evaluation

        kept = read_evaluation(evaluation)
        named = f"{version['model']}/{version['version']}"
        subject = Subject(named, version["task"], version["signature"]["output"]["name"])
        stage("drawing")
        drawn = list(pictures(subject, kept))
    if kept.unsound:
        click.echo(
            f"Note: {', '.join(kept.unsound)} of {named} has an unknown format and is not drawn.",
            err=True,
        )
    if not drawn:
        raise _nothing_to_draw(named)
    return drawn


def _nothing_to_draw(named: str) -> CommandFailed:
    return CommandFailed(
        f"The evaluation of {named} has nothing to draw.",
        SAID_NO,
        advice="Versions uploaded by 'hotswap train' have; see docs/comparing.md for others.",
    )


def _described(picture: "Picture", out: Path) -> dict[str, Any]:
    return {
        "plot": picture.name,
        "title": picture.title,
        "description": picture.description,
        "files": [str(out / name) for name in picture.files],
    }
