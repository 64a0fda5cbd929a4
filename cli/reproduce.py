"""``hotswap reproduce``."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from cli.cluster import on_cluster, scheduler_option
from cli.exits import SAID_NO, CommandFailed
from cli.formatting import one_line
from cli.memory import memory_option, memory_or_available
from cli.names import ModelReference, Reference
from cli.service import json_option, speaks_to_service
from cli.stages import Stages
from cli.terminal import Column, print_json, print_table
from cli.training_refusals import refusals
from hotswap import ProblemReply, Registry
from hotswap.replies import Version
from registry.names import PRODUCTION

if TYPE_CHECKING:  # it imports scikit-learn, which --help must not wait for
    from trainers.reproduction import ComparedPredictions
    from trainers.trained import TrainedModel

MAX_ROWS = 1_000
COLUMNS = [Column("Of"), Column("Recorded", right=True), Column("Again", right=True), Column("")]


@click.command
@click.argument("reference", metavar="NAME[/VERSION]", type=ModelReference())
@click.option("--data", metavar="FILE", help="The data that it was trained on.")
@memory_option
@scheduler_option
@json_option
@speaks_to_service
def reproduce(
    registry: Registry,
    *,
    reference: Reference,
    data: str | None,
    memory: int | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Train a version again from its lineage, and compare the result.

    The metrics are compared with those that the version keeps, the predictions for the held-out
    rows (at most 1,000 of them) with those of the service for this version. Exits with 1 unless all
    of them agree.

    \b
    Example:
      hotswap reproduce housing/3 --data housing.csv
    """
    version = registry.version(reference.name, reference.version or PRODUCTION)
    with refusals(), Stages() as stage:
        stage("loading scikit-learn")
        from trainers.bundled import is_bundled
        from trainers.reproduction import compared_inputs, compared_metrics, recorded_recipe
        from trainers.training import train

        recipe = recorded_recipe(version["lineage"], data)
        if data is None and not is_bundled(recipe.data):
            raise click.UsageError(f"Missing option '--data': it was trained on {recipe.data}.")
        with on_cluster(scheduler, stage) as cluster:
            model = train(
                recipe,
                stage=stage,
                progress=stage.progress,
                cluster=cluster,
                memory=memory_or_available(memory),
            )
        stage("requesting the predictions of the service")
        predictions, why = _predictions(registry, version, model)
    inputs = compared_inputs(version["lineage"], version["environment"], model)
    metrics = compared_metrics(version["metrics"], model.metrics)
    agree = all(figure.agrees for figure in metrics) and (
        predictions is not None and predictions.agree == predictions.rows
    )
    report: dict[str, Any] = {
        "model": version["model"],
        "version": version["version"],
        "agrees": agree,
        "metrics": [asdict(figure) for figure in metrics],
        "predictions": None if predictions is None else asdict(predictions),
        "inputs": [asdict(figure) for figure in inputs],
    }
    if as_json:
        print_json(report)
    else:
        _print(report, why)
    if not agree:
        raise CommandFailed(
            f"{reference.name}/{version['version']} was not reproduced.",
            SAID_NO,
            advice=_advice(report),
        )


def _predictions(
    registry: Registry, version: Version, model: "TrainedModel"
) -> "tuple[ComparedPredictions | None, str]":
    """None, and the reason, where the service does not predict by this version."""
    from trainers.reproduction import compared_predictions, held_out_records

    rows = held_out_records(model, MAX_ROWS)
    try:
        reply = registry.predict(version["model"], rows, version=version["version"])
    except ProblemReply as error:
        return None, str(error)
    return compared_predictions(model, reply["predictions"]), ""


def _print(report: dict[str, Any], why: str) -> None:
    rows = [
        [figure["name"], figure["recorded"], figure["again"], "" if figure["agrees"] else "differs"]
        for figure in report["metrics"]
    ]
    print_table(COLUMNS, rows, "The version keeps no metrics.")
    predictions = report["predictions"]
    if predictions is None:
        click.echo(f"The predictions could not be compared: {one_line(why)}")
    else:
        largest = predictions["largest"]
        far = "" if largest is None else f" The largest difference is {largest:g}."
        click.echo(f"{predictions['agree']:,} of {predictions['rows']:,} predictions agree.{far}")
    for figure in report["inputs"]:
        if not figure["agrees"]:
            click.echo(f"{figure['name']} was {figure['recorded']} and is {figure['again']}.")
    if report["agrees"]:
        click.echo(f"{report['model']}/{report['version']} was reproduced.")


def _advice(report: dict[str, Any]) -> str:
    changed = [figure["name"] for figure in report["inputs"] if not figure["agrees"]]
    if "data_sha256" in changed:
        return "The data differs from what it was trained on: give the same data with --data."
    if changed:
        return f"Different from the recorded training: {', '.join(changed)}."
    return ""
