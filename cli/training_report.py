"""Shows a training: its metrics, the baseline's, and the number of rows."""

from typing import TYPE_CHECKING, Any

import click

from cli.formatting import one_line
from cli.terminal import Column, print_table

if TYPE_CHECKING:  # it imports scikit-learn
    from trainers.trained import TrainedModel

COLUMNS = [Column("Metric"), Column("Model", right=True), Column("Baseline", right=True)]


def training_report(model: "TrainedModel") -> dict[str, Any]:
    """The training for ``--json``."""
    return {
        "metrics": model.metrics,
        "baseline": model.baseline,
        "rows": {
            "train": model.evaluation["train_rows"],
            "test": model.evaluation["rows"],
            "dropped": model.evaluation["dropped_rows"],
        },
        "notes": list(model.notes),
    }


def print_training(model: "TrainedModel") -> None:
    """Print a table of the metrics on held-out rows, the counts of rows, and the notes."""
    table = [[name, value, model.baseline.get(name)] for name, value in model.metrics.items()]
    print_table(COLUMNS, table, "There are no metrics.")
    counts = model.evaluation
    click.echo(f"Trained on {counts['train_rows']:,} rows, evaluated on {counts['rows']:,} others.")
    for note in model.notes:
        click.echo(f"Note: {one_line(note)}.".replace("..", "."))
