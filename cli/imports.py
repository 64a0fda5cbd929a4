"""``hotswap import``."""

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypedDict, Unpack

import click

from cli.exits import SAID_NO, WRONG_USAGE, CommandFailed
from cli.importing.plan import ModelStep, plan
from cli.importing.report import as_json, is_complete, print_report
from cli.importing.run import run
from cli.importing.sources import Source, SourceFailed
from cli.service import json_option, speaks_to_service
from cli.stages import stages_or_lines
from cli.terminal import print_json
from config import ClientSettings
from hotswap import ClientError, Registry

_SQLITE = "sqlite:///"
_FILE = "file://"


class _Options(TypedDict):
    """The options of each source."""

    dry_run: bool
    yes: bool
    max_mb: int
    as_json: bool


def _import_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--dry-run", is_flag=True, help="Only report what would be imported."),
        click.option("--yes", is_flag=True, help="Import without a question."),
        click.option(
            "--max-mb",
            type=click.IntRange(min=1),
            default=512,
            show_default=True,
            help="Size above which a file is not read.",
        ),
    ):
        command = option(command)
    return command


@click.group(name="import")
def import_() -> None:
    """Import models from another registry. Requires the scope admin.

    The plan comes first: what would be imported, and what cannot be, and why. An import may be
    interrupted at any point, and continues when it is run again: no version is imported twice.
    """


@import_.command
@click.option(
    "--from",
    "uri",
    metavar="URI",
    required=True,
    help="Address of a running server, sqlite:///mlflow.db, or a folder such as mlruns.",
)
@click.option(
    "--model", "models", metavar="NAME", multiple=True, help="Import only NAME; may be repeated."
)
@click.option(
    "--artifacts",
    "folders",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="Folder with the artifacts of a database or folder, if it is not where MLflow stores them "
    "by default; may be repeated.",
)
@_import_options
@json_option
@speaks_to_service
def mlflow(
    registry: Registry,
    *,
    uri: str,
    models: tuple[str, ...],
    folders: tuple[Path, ...],
    **options: Unpack[_Options],
) -> None:
    """Import the models of an MLflow registry, with their versions, aliases, tags, descriptions and
    metrics.

    A server is called with MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or with
    MLFLOW_TRACKING_TOKEN. MLflow need not be installed.

    \b
    Example:
      hotswap import mlflow --from http://127.0.0.1:5000 --dry-run
      hotswap import mlflow --from sqlite:///mlflow.db --model iris --yes
    """
    from cli.importing.mlflow import MlflowSource

    with closing(_store(uri, folders, options["max_mb"] * 1_000_000)) as store:
        _import(registry, MlflowSource(store, models), options)


@import_.command
@click.argument(
    "directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--csv",
    "names",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="CSV file with the columns file and model, and optionally version, alias, description, "
    "tags and metrics.",
)
@_import_options
@json_option
@speaks_to_service
def folder(
    registry: Registry, *, directory: Path, names: Path, **options: Unpack[_Options]
) -> None:
    """Import the model files in DIR that a CSV file lists, in its order.

    Files are joblib, skops, ONNX, XGBoost or LightGBM. Tags and metrics are key=value pairs,
    separated by semicolons; an alias is set when all files of the model are imported.

    \b
    Example:
      hotswap import folder models --csv models.csv --dry-run
      hotswap import folder models --csv models.csv --yes
    """
    from cli.importing.listed_files import ListedFiles

    source = ListedFiles(directory, names, options["max_mb"] * 1_000_000)
    _import(registry, source, options)


def _store(uri: str, folders: tuple[Path, ...], most: int) -> Any:
    if uri.startswith(("http://", "https://")):
        from cli.importing.mlflow_server import MlflowServer

        if folders:
            raise click.UsageError("--artifacts is for a database or a folder.")
        return MlflowServer(uri, ClientSettings.from_environment(), most)
    if uri.startswith(_SQLITE):
        from cli.importing.mlflow_database import MlflowDatabase

        return MlflowDatabase(Path(uri.removeprefix(_SQLITE)), folders, most)
    path = Path(uri.removeprefix(_FILE))
    if "://" in str(path) or not path.is_dir():
        raise click.BadParameter(
            f"{uri} is neither an address of a server, sqlite:///FILE, nor a folder.",
            param_hint="--from",
        )
    from cli.importing.mlflow_folder import MlflowFolder

    return MlflowFolder(path, folders, most)


def _import(registry: Registry, source: Source, options: _Options) -> None:
    token = registry.own_token()
    if "admin" not in token["scopes"]:
        raise CommandFailed("An import requires a token with the scope admin.", SAID_NO)
    with stages_or_lines() as (stage, _):
        steps = plan(registry, source, token["name"], stage)
    work = any(
        each.outcome == "planned" for step in steps for each in [*step.versions, *step.aliases]
    ) or any(step.is_new and not step.versions and not step.reason for step in steps)
    if options["dry_run"] or not work:
        _report(source, steps, options)
        return
    _confirm(steps, options)
    try:
        with stages_or_lines() as (stage, _):
            run(registry, source, steps, stage)
    except (ClientError, SourceFailed):
        _print(source, steps, options)
        raise
    _report(source, steps, options)


def _confirm(steps: list[ModelStep], options: _Options) -> None:
    """Raises CommandFailed, or click.Abort, unless the plan is to be performed."""
    if options["yes"]:
        return
    if not sys.stdin.isatty() or options["as_json"]:
        raise CommandFailed(
            "Nothing was imported.",
            WRONG_USAGE,
            advice="Give --dry-run to see the plan, then --yes to import.",
        )
    print_report(steps)
    click.confirm("\nImport this?", abort=True, err=True)


def _report(source: Source, steps: list[ModelStep], options: _Options) -> None:
    """Print the report. Raises CommandFailed if something could not come."""
    _print(source, steps, options)
    if not is_complete(steps):
        raise CommandFailed("Not everything can be imported; the report says why.", SAID_NO)


def _print(source: Source, steps: list[ModelStep], options: _Options) -> None:
    if options["as_json"]:
        print_json(as_json(source.name, steps, dry_run=options["dry_run"]))
    else:
        print_report(steps)
