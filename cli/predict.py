"""``hotswap predict``."""

import json
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import click

from cli.column_names import divided
from cli.formatting import one_line
from cli.names import ModelReference, Reference
from cli.pairs import TagPair, as_mapping
from cli.predicted_file import predict_to_file
from cli.prediction_data import read_prediction_data
from cli.service import json_option, speaks_to_service
from cli.terminal import print_json
from cli.typed_values import typed_record
from hotswap import Registry
from hotswap.errors import Forbidden, Unauthenticated
from hotswap.files.run import IN_FLIGHT
from hotswap.replies import Column, Prediction
from registry.names import PRODUCTION


@click.command
@click.argument("reference", metavar="NAME[/VERSION]", type=ModelReference())
@click.argument("values", metavar="[COLUMN=VALUE]...", type=TagPair(), nargs=-1)
@click.option(
    "--data", metavar="FILE", help="Rows to predict: .csv, .json, .parquet, or - for stdin."
)
@click.option("--probabilities", is_flag=True, help="Also give the probability of each class.")
@click.option(
    "--scores", is_flag=True, help="Also give the score of each row, of a detector of outliers."
)
@click.option(
    "--out",
    metavar="FILE",
    help="Write the predictions of --data, of any size, to this file. Both may be .csv, .jsonl "
    "(also with .gz), .parquet, .arrow or .arrows. -: as CSV to stdout, of what one request takes.",
)
@click.option(
    "--keep",
    metavar="COLUMN",
    multiple=True,
    help="With --out: a column of --data to write beside the predictions; '*' for all. Repeatable.",
)
@click.option("--resume", is_flag=True, help="With --out: continue an unfinished run, if any.")
@click.option(
    "--in-flight",
    type=click.IntRange(1, 16),
    default=IN_FLIGHT,
    show_default=True,
    help="With --out: chunks that are sent at a time.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="With --out: a Dask scheduler, such as tcp://host:8786, whose workers read, predict and "
    "write.",
)
@json_option
@speaks_to_service
def predict(
    registry: Registry,
    *,
    reference: Reference,
    values: tuple[tuple[str, str], ...],
    data: str | None,
    probabilities: bool,
    scores: bool,
    out: str | None,
    keep: tuple[str, ...],
    resume: bool,
    in_flight: int,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Predict one record, or each row of a file.

    Without VERSION the version in production is used. Predictions are printed to stdout, one per
    line, and the version to stderr.

    \b
    Example:
      hotswap predict housing longitude=-122.23 latitude=37.88 ocean_proximity="NEAR BAY"
      hotswap predict housing/3 --data rows.csv > prices.txt
      hotswap predict housing --data rows.parquet --out - --keep '*' > prices.csv
      hotswap predict housing --data rows.parquet --out prices.parquet --keep id --resume
    """
    _check_source(reference, values, data)
    if out == "-" and (as_json or resume or scheduler or keep not in {(), ("*",)}):
        raise click.UsageError("--out - excludes --json, --resume, --scheduler and --keep COLUMN.")
    if out not in {None, "-"}:
        if data is None or data == "-":
            raise click.UsageError("--out requires --data FILE.")
        predict_to_file(
            registry,
            reference,
            data,
            out,
            keep=keep,
            probabilities=probabilities,
            scores=scores,
            resume=resume,
            in_flight=in_flight,
            scheduler=scheduler,
            as_json=as_json,
        )
        return
    if out is None and (keep or resume or scheduler):
        raise click.UsageError("--keep, --resume and --scheduler require --out FILE.")
    sent: bytes | dict[str, Any]
    content_type = None
    if data is not None:
        rows = read_prediction_data(data)
        sent, content_type = rows.content, rows.content_type
    else:
        sent = _record(registry, reference, values)
    if out is not None:
        predicted = registry.predict_csv(
            reference.name,
            sent,
            version=reference.version,
            content_type=content_type,
            probabilities=probabilities,
            scores=scores,
            with_inputs=bool(keep),
        )
        click.echo(predicted.text.encode(), nl=False)
        click.echo(f"{reference.name} version {predicted.version}", err=True)
        return
    prediction = registry.predict(
        reference.name,
        sent,
        version=reference.version,
        content_type=content_type,
        probabilities=probabilities,
        scores=scores,
    )
    print_json(prediction) if as_json else _print(prediction)


def _record(
    registry: Registry, reference: Reference, values: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    """The record of COLUMN=VALUE."""
    # Where a value has an equals sign too, the columns tell where the name ends.
    as_mapping((pair for pair in values if "=" not in pair[1]), "The record")
    columns = _columns(registry, reference)
    names = [column["name"] for column in columns]
    pairs = as_mapping((divided(*pair, names) for pair in values), "The record")
    return typed_record(pairs, columns)


def _check_source(
    reference: Reference, values: tuple[tuple[str, str], ...], data: str | None
) -> None:
    if data is not None and values:
        raise click.UsageError("COLUMN=VALUE and --data are mutually exclusive.")
    if data is None and not values:
        raise click.UsageError(
            f"Give COLUMN=VALUE or --data FILE; 'hotswap show {reference.name}/"
            f"{reference.version or PRODUCTION}' lists the columns."
        )


def _columns(registry: Registry, reference: Reference) -> list[Column]:
    try:
        version = registry.version(reference.name, reference.version or PRODUCTION)
    except (Unauthenticated, Forbidden):
        # A token may be allowed to predict but not to read; values are then parsed as JSON.
        return []
    signature = version.get("signature")
    return signature["inputs"] if signature else []


def _print(prediction: Prediction) -> None:
    if "predictions" in prediction:
        values = prediction["predictions"]
        chances, scores = prediction.get("probabilities") or [], prediction.get("scores") or []
    else:
        values = [prediction.get("prediction")]
        chances = [prediction["probabilities"]] if "probabilities" in prediction else []
        scores = [prediction["score"]] if "score" in prediction else []
    for value, chance, score in zip_longest(values, chances, scores):
        beside = [
            *([] if chance is None else [_shown_chances(chance)]),
            *([] if score is None else [f"score={score:.6g}"]),
        ]
        click.echo("\t".join([_shown(value), *beside]))
    click.echo(f"{one_line(prediction['model'])} version {prediction['version']}", err=True)


def _shown(value: Any) -> str:
    return one_line(value) if isinstance(value, str) else json.dumps(value)


def _shown_chances(chances: Mapping[str, float]) -> str:
    return " ".join(f"{one_line(name)}={chance:.6g}" for name, chance in chances.items())
