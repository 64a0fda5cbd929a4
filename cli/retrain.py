"""``hotswap retrain``."""

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from cli.cluster import scheduler_option
from cli.exits import NOT_BETTER, WRONG_USAGE, CommandFailed
from cli.formatting import one_line
from cli.gates import print_gates
from cli.memory import memory_option
from cli.names import AliasName, ModelName
from cli.retraining.options import Means, PromotionOptions
from cli.retraining.report import RetrainReport
from cli.retraining.run import Run
from cli.retraining.summary import as_json, as_markdown
from cli.rollout_plans import plan_at
from cli.service import failed, json_option, speaks_to_service
from cli.stages import stages_or_lines
from cli.terminal import print_json
from cli.training_refusals import refusals
from cli.training_report import print_training
from config import ClientSettings
from hotswap import ClientError, ProblemReply, Registry, Retries
from registry.errors import GateMalformed
from registry.gates import parse_all
from registry.names import PRODUCTION, check_model_name

if TYPE_CHECKING:  # a recipe imports scikit-learn, which --help must not wait for
    from trainers.recipe import Recipe

LONGEST_WAIT = 60.0
LONGEST_PATIENCE = 604_800
"""Seconds: one week."""


class _Flags(TypedDict):
    """The options in addition to the recipe."""

    data: str | None
    name: str | None
    sample: int | None
    alias: str | None
    gates: tuple[str, ...]
    reason: str | None
    summary: Path | None
    patience: float
    memory: int | None
    scheduler: str | None


@click.command
@click.argument("recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data", metavar="DATA", help="Train on DATA instead of the data of the recipe.")
@click.option("--name", type=ModelName(), help="Model, instead of the name in the recipe.")
@click.option(
    "--sample", type=click.IntRange(4), metavar="ROWS", help="Train on a sample of the rows."
)
@click.option("--alias", type=AliasName(), help="Alias to promote under.  [default: production]")
@click.option(
    "--gate",
    "gates",
    metavar="TEXT",
    multiple=True,
    help="Additional gate for the promotion, such as 'rmse <= champion'; may be repeated.",
)
@click.option("--reason", metavar="TEXT", help="Reason, for the history.  [default: the inputs]")
@click.option(
    "--summary",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write the summary to FILE, as Markdown; it is also added to GITHUB_STEP_SUMMARY.",
)
@click.option(
    "--patience",
    type=click.FloatRange(0, LONGEST_PATIENCE),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="The longest total wait between attempts to reach the service.",
)
@memory_option
@scheduler_option
@json_option
@speaks_to_service
def retrain(registry: Registry, recipe: Path, as_json: bool, **flags: Unpack[_Flags]) -> None:
    """Train by RECIPE, upload, and promote the version if its gates pass. For use in CI.

    It can be interrupted at any point and run again: the same recipe, data and commit make one
    version and one promotion.

    Exits with 0 if the version is live or its rollout is in progress, with 10 if the champion
    stays: the version is not better, or the alias is split.

    \b
    Example:
      hotswap retrain housing.toml --summary summary.md
      hotswap retrain housing.toml --gate "rmse <= champion * 1.02" --json
    """
    with refusals():
        wanted = _recipe(recipe, flags)
        options = PromotionOptions(
            alias=flags["alias"] or PRODUCTION,
            gates=_gates(wanted, flags["gates"]),
            reason=flags["reason"],
            plan=plan_at(Path(wanted.rollout)) if wanted.rollout else None,
        )
    retries = patient(flags["patience"])
    with registry.with_retries(retries) as patient_registry, stages_or_lines() as (stage, progress):
        means = Means(scheduler=flags["scheduler"], memory=flags["memory"])
        run = Run(patient_registry, wanted, options, stage, progress, means=means)
        try:
            with refusals():
                run.go()
        except (ClientError, CommandFailed) as error:
            _keep(run.report, error)
            _report(run, flags["summary"], as_json)
            raise _failure(run.report, error) from error
    _report(run, flags["summary"], as_json)
    if run.report.ending not in {"promoted", "rolling_out"}:
        click.get_current_context().exit(NOT_BETTER)


def patient(seconds: float) -> Retries:
    """Retries whose waits add up to at most ``seconds``; each wait is random below its limit."""
    first = min(1.0, seconds)
    longest = min(LONGEST_WAIT, max(seconds, 1.0))
    waits, waited, next_wait = 0, 0.0, first
    while waited < seconds and next_wait < longest:
        waited += next_wait
        waits += 1
        next_wait *= 2
    # All further waits have the same length.
    waits += max(0, math.ceil((seconds - waited) / longest))
    return Retries(attempts=1 + waits, first_wait=first, longest_wait=longest, pause=_pause)


def _pause(seconds: float, error: ClientError) -> None:
    click.echo(f"{one_line(error)} Trying again in {math.ceil(seconds)} s.", err=True)
    time.sleep(seconds)


def _recipe(path: Path, flags: _Flags) -> "Recipe":
    from trainers.recipe import Recipe

    recipe = Recipe.from_toml(path)
    recipe = replace(
        recipe,
        data=flags["data"] or recipe.data,
        name=flags["name"] or recipe.name,
        sample=flags["sample"] or recipe.sample,
    )
    if not recipe.name:
        raise click.UsageError(f'{path} names no model: add a line name = "…", or give --name.')
    check_model_name(recipe.name)
    return recipe


def _gates(recipe: "Recipe", more: tuple[str, ...]) -> tuple[str, ...]:
    """The gates of the recipe and of the command, each once.

    Raises CommandFailed for an invalid gate, before the training.
    """
    gates = tuple(dict.fromkeys((*recipe.gates, *more)))
    try:
        parse_all(gates)
    except GateMalformed as error:
        raise CommandFailed(error.detail, WRONG_USAGE, faults=error.faults) from error
    from trainers.recipe_rules import metric_mistakes, possible_tasks

    # The recipe has checked its own gates.
    for mistake in metric_mistakes(None, more, possible_tasks(recipe.kind, recipe.task)):
        raise CommandFailed(f"A gate can never pass: {mistake.text}.", WRONG_USAGE)
    return gates


def _keep(report: RetrainReport, error: ClientError | CommandFailed) -> None:
    report.ending = "failed"
    report.problem = error.problem if isinstance(error, ProblemReply) else str(error)


def _failure(report: RetrainReport, error: ClientError | CommandFailed) -> CommandFailed:
    if isinstance(error, CommandFailed):
        return error
    return failed(error, before=report.headline() if report.version is not None else "")


def _report(run: Run, summary: Path | None, is_json: bool) -> None:
    report = run.report
    text = as_markdown(report)
    if summary is not None:
        _write(summary, text, "w")
    if step := ClientSettings.from_environment().step_summary:
        _write(Path(step), f"{text}\n", "a")
    if is_json:
        print_json(as_json(report))
        return
    if run.trained is not None:
        print_training(run.trained)
    if report.gates:
        print_gates(report.gates)
    if report.ending != "failed":
        click.echo(one_line(report.headline()))
        if report.remark:
            click.echo(one_line(report.remark))


def _write(path: Path, text: str, mode: str) -> None:
    try:
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        # Only a warning, because the exit code reports what the registry has done.
        click.echo(
            f"Warning: cannot write the summary to {path}: {error.strerror or error}", err=True
        )
