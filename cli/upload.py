"""``hotswap upload``."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from cli.formatting import one_line, size
from cli.names import IdempotencyKey, ModelName
from cli.pairs import TagPair, as_mapping, refuse_constant
from cli.service import json_option, speaks_to_service
from cli.terminal import print_json
from hotswap import Registry, Uploaded
from registry.signature import KINDS

if TYPE_CHECKING:
    from cli.measured_upload import Data

FORMATS = ("skops", "onnx", "joblib", "xgboost", "lightgbm")


class _Described(TypedDict):
    """Metadata with their own options, which override --metadata."""

    kind: str | None
    format: str | None
    description: str | None
    tags: tuple[tuple[str, str], ...]


@click.command
@click.argument("name", type=ModelName())
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--metadata",
    metavar="FILE",
    help="JSON object with metrics, params, signature, …; - for stdin.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV or Parquet file of held-out rows to measure the model on, with --target.",
)
@click.option("--target", metavar="COLUMN", help="Column of --data to predict.")
@click.option(
    "--train-data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of the rows that the model was fitted on, for its profile and the baseline.",
)
@click.option(
    "--training-rows",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The training_rows.bin of 'hotswap train --out', to recognize these rows in a holdout.",
)
@click.option("--kind", type=click.Choice(KINDS), help="Kind of model.")
@click.option(
    "--format", type=click.Choice(FORMATS), help="Format of FILE.  [default: by its ending]"
)
@click.option("--description", metavar="TEXT", help="Description of the version.")
@click.option("--tag", "tags", type=TagPair(), multiple=True, help="Tag; may be repeated.")
@click.option(
    "--idempotency-key",
    type=IdempotencyKey(),
    help="A repeated upload with the same key creates no new version.",
)
@json_option
@speaks_to_service
def upload(
    registry: Registry,
    *,
    name: str,
    file: Path,
    metadata: str | None,
    data: Path | None,
    target: str | None,
    train_data: Path | None,
    training_rows: Path | None,
    idempotency_key: str | None,
    as_json: bool,
    **described: Unpack[_Described],
) -> None:
    """Register FILE as a new version of the model NAME, which is created if it does not exist.

    An upload moves no alias; use 'hotswap promote'. With --data, the metrics, the signature and
    what else 'hotswap train' stores are computed from it.

    \b
    Example:
      hotswap upload housing model.skops --metadata metadata.json --tag branch=main
      hotswap upload churn model.joblib --data test.csv --target churned
    """
    given = _merged(_read_metadata(metadata) if metadata else {}, described)
    rows = None if training_rows is None else training_rows.read_bytes()
    if (held_out := _data(data, target, train_data)) is not None:
        found, hashes = _measured(file, held_out, given)
        for warning in found["evaluation"]["warnings"]:
            click.echo(f"Warning: {one_line(warning)}.", err=True)
        given, rows = found | given, rows or hashes
    uploaded = registry.upload(
        name, file, given, idempotency_key=idempotency_key, training_rows=rows
    )
    print_json(uploaded.version) if as_json else print_uploaded(uploaded)


def _data(data: Path | None, target: str | None, train: Path | None) -> "Data | None":
    from cli.measured_upload import Data

    if (data is None) != (target is None):
        raise click.UsageError("--data and --target require each other.")
    if data is None and train is not None:
        raise click.UsageError("--train-data requires --data.")
    return None if data is None or target is None else Data(data, target, train)


def _measured(
    file: Path, data: "Data", given: dict[str, Any]
) -> tuple[dict[str, Any], bytes | None]:
    from cli.measured_upload import measured
    from hotswap.artifact_formats import format_of
    from registry.formats.reading import format_of_filename, parse_format

    named = given.get("format") or format_of(file)
    format_ = format_of_filename(file.name) if named is None else parse_format(str(named))
    return measured(file, format_, data, given.get("signature"))


def print_uploaded(uploaded: Uploaded) -> None:
    """Print the number of the new version."""
    version = uploaded.version
    bytes_ = (version.get("artifact") or {}).get("size")
    sized = f", {size(bytes_)}" if isinstance(bytes_, int) else ""
    verb = "was already uploaded as" if uploaded.replayed else "was uploaded as"
    click.echo(
        f"{one_line(version.get('model'))} {verb} version {version.get('version')} "
        f"({one_line(version.get('status'))}{sized})."
    )


def _read_metadata(source: str) -> dict[str, Any]:
    text = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    try:
        metadata = json.loads(text, parse_constant=refuse_constant)
    except ValueError as error:
        raise click.BadParameter(
            f"{source} is not JSON: {error}", param_hint="--metadata"
        ) from None
    if not isinstance(metadata, dict):
        raise click.BadParameter(f"{source} does not hold a JSON object.", param_hint="--metadata")
    return metadata


def _merged(metadata: dict[str, Any], described: _Described) -> dict[str, Any]:
    given = {key: value for key, value in described.items() if key != "tags" and value is not None}
    tags = as_mapping(described["tags"], "--tag")
    if tags:
        given["tags"] = {**(metadata.get("tags") or {}), **tags}
    return {**metadata, **given}
