"""``hotswap train``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from cli.cluster import on_cluster, scheduler_option
from cli.formatting import size
from cli.memory import memory_option, memory_or_available
from cli.names import AliasName
from cli.promotion import print_promotion
from cli.recipe_flags import RecipeFlags, recipe_flags, recipe_of
from cli.service import failed, json_option, speaks_to_service
from cli.stages import Stages
from cli.terminal import print_json
from cli.training_refusals import refusals
from cli.training_report import print_training, training_report
from cli.upload import print_uploaded
from hotswap import ClientError, ProblemReply, Registry
from registry.names import PRODUCTION, check_model_name

if TYPE_CHECKING:  # training imports scikit-learn, which --help must not wait for
    from trainers.recipe import Recipe
    from trainers.trained import TrainedModel


class _Destination(TypedDict):
    """What to do with the trained model."""

    promote: bool
    alias: str | None
    reason: str | None
    out: Path | None


class _Flags(RecipeFlags, _Destination):
    """All options except those that every command has."""

    memory: int | None
    scheduler: str | None


@click.command
@recipe_flags
@click.option("--promote", is_flag=True, help="Promote the version after the upload.")
@click.option("--alias", type=AliasName(), help="Alias for --promote.  [default: production]")
@click.option("--reason", metavar="TEXT", help="Reason for --promote, for the history.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write model.skops and metadata.json to DIR instead of uploading.",
)
@memory_option
@scheduler_option
@json_option
@speaks_to_service
def train(registry: Registry, *, as_json: bool, **flags: Unpack[_Flags]) -> None:
    """Train a model on DATA, evaluate it on held-out rows, and upload it.

    DATA is a file (CSV, Parquet, Feather, JSON lines, Excel; also packed with gzip or zstd), or a
    data set of scikit-learn: sklearn:iris, sklearn:diabetes, sklearn:wine, sklearn:breast_cancer
    (their target is called 'target').

    \b
    Example:
      hotswap train housing.csv --target median_house_value --kind forest \\
          --name housing --param n_estimators=200 --promote
      hotswap train sklearn:iris --kind logistic --out ./iris
    """
    _check_destination(flags)
    with refusals(), Stages() as stage:
        stage("loading scikit-learn")  # it checks the parameters of the recipe
        recipe = recipe_of(flags)
    out = flags["out"]
    if out is None:
        check_model_name(_named(recipe))
        registry.check()
    with (
        refusals(),
        Stages() as stage,
        on_cluster(flags["scheduler"], stage) as cluster,
    ):
        from trainers.training import train as fit

        model = fit(
            recipe,
            stage=stage,
            progress=stage.progress,
            cluster=cluster,
            memory=memory_or_available(flags["memory"]),
        )
    if not as_json:
        print_training(model)
    report = _Report(training_report(model), as_json)
    if out is None:
        _publish(registry, recipe.name, model, flags, report)
    else:
        _write(model, out, report)


class _Report:
    """Collects the output for --json, which is printed as one object at the end."""

    def __init__(self, content: dict[str, Any], as_json: bool) -> None:
        self.content = content
        self.as_json = as_json

    def end(self) -> None:
        if self.as_json:
            print_json(self.content)


def _check_destination(flags: _Flags) -> None:
    if flags["out"] is not None and flags["promote"]:
        raise click.UsageError("--promote requires an upload, and --out does not upload.")
    for option, given in (("alias", flags["alias"]), ("reason", flags["reason"])):
        if given is not None and not flags["promote"]:
            raise click.UsageError(f"--{option} requires --promote.")


def _named(recipe: "Recipe") -> str:
    if not recipe.name:
        raise click.UsageError("Missing option '--name': the model to upload it to (or --out DIR).")
    return recipe.name


def _write(model: "TrainedModel", out: Path, report: _Report) -> None:
    model.write(out)
    files = {"artifact": str(out / "model.skops"), "metadata": str(out / "metadata.json")}
    report.content.update(files)
    if not report.as_json:
        click.echo(f"Wrote {files['artifact']} and {files['metadata']}.")
    report.end()


def _publish(
    registry: Registry, name: str, model: "TrainedModel", flags: _Flags, report: _Report
) -> None:
    with Stages() as stage:
        stage("writing the artifact")
        artifact = model.artifact()
        stage(f"uploading {size(len(artifact))} to {registry.url}")
        metadata = model.metadata(_parent(registry, name))
        uploaded = registry.upload(
            name,
            artifact,
            metadata,
            filename="model.skops",
            training_rows=model.training_rows,
        )
    number = uploaded.version["version"]
    report.content.update(version=uploaded.version, promotion=None)
    if not report.as_json:
        print_uploaded(uploaded)
    if flags["promote"]:
        _promote(registry, name, number, flags, report)
    report.end()


def _parent(registry: Registry, name: str) -> int | None:
    """The version that is live now, or None."""
    try:
        return registry.version(name, PRODUCTION)["version"]
    except ProblemReply as error:
        if error.status in {403, 404}:  # there is none, or this token may not read it
            return None
        raise


def _promote(registry: Registry, name: str, number: int, flags: _Flags, report: _Report) -> None:
    try:
        with Stages() as stage:
            stage(f"promoting version {number}: every worker loads and warms it")
            promotion = registry.promote(name, number, alias=flags["alias"], reason=flags["reason"])
    except ClientError as error:
        report.content["problem"] = error.problem if isinstance(error, ProblemReply) else str(error)
        report.end()
        done = f"Version {number} of {name} was uploaded, but not promoted."
        raise failed(error, before=done) from error
    report.content["promotion"] = promotion
    if not report.as_json:
        print_promotion(promotion)
