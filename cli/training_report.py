"""Shows a training: its metrics, the baseline's, and the number of rows."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from cli.formatting import one_line
from cli.terminal import Column, print_table

if TYPE_CHECKING:  # it imports scikit-learn
    from trainers.trained import TrainedModel

COLUMNS = [Column("Metric"), Column("Model", right=True), Column("Baseline", right=True)]
INFERRED = [
    Column("Column"),
    Column("Type"),
    Column("Missing", right=True),
    Column("Treatment"),
    Column("Oddities"),
]
MAX_SHOWN = 60
"""Columns of the table; those with oddities are shown first if there are more."""


def training_report(model: "TrainedModel") -> dict[str, Any]:
    """The training for ``--json``."""
    return {
        "columns": [asdict(column) for column in model.inferred],
        "file": model.evaluation["file"],
        "metrics": model.metrics,
        "baseline": model.baseline,
        "rows": {
            "train": model.evaluation["train_rows"],
            "test": model.evaluation["rows"],
            "dropped": model.evaluation["dropped_rows"],
        },
        "notes": list(model.notes),
        "warnings": list(model.warnings),
    }


def print_training(model: "TrainedModel") -> None:
    """Print what was found out about the columns, the metrics on held-out rows, the counts of rows,
    the notes and the warnings."""
    _print_inferred(model)
    table = [[name, value, model.baseline.get(name)] for name, value in model.metrics.items()]
    print_table(COLUMNS, table, "There are no metrics.")
    counts = model.evaluation
    click.echo(f"Trained on {counts['train_rows']:,} rows, evaluated on {counts['rows']:,} others.")
    for note in model.notes:
        click.echo(f"Note: {one_line(note)}.".replace("..", "."))
    for warning in model.warnings:
        click.echo(f"Warning: {one_line(warning)}.")


def _print_inferred(model: "TrainedModel") -> None:
    every = model.inferred
    shown = every
    if len(every) > MAX_SHOWN:
        shown = tuple(sorted(every, key=lambda column: not column.oddities)[:MAX_SHOWN])
    rows = [
        [one.name, one.type, one.missing, one.treatment, "; ".join(one.oddities)] for one in shown
    ]
    print_table(INFERRED, rows, "There are no columns.")
    if len(every) > len(shown):
        click.echo(f"And {len(every) - len(shown):,} more columns; --json has all of them.")
    click.echo()
