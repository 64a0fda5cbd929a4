"""All plots of a version's evaluation, as SVG and PNG."""

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import matplotlib as mpl

from cli.drawing.classification import calibration, confusion_matrix, precision_recall, roc
from cli.drawing.look import STYLE, Plot, Subject
from cli.drawing.regression import predicted_against_true, residuals
from cli.drawing.weights import coefficients, importances
from registry.reading.stored_evaluation import StoredEvaluation

DRAWINGS = (
    predicted_against_true,
    residuals,
    confusion_matrix,
    roc,
    precision_recall,
    calibration,
    importances,
    coefficients,
)


@dataclass(frozen=True, slots=True)
class Picture:
    """The files of a plot: the bytes by file name."""

    name: str
    title: str
    description: str
    files: dict[str, bytes]


def pictures(subject: Subject, kept: StoredEvaluation) -> Iterator[Picture]:
    """Draw, one after the other, all plots that ``kept`` has the figures for."""
    for draw in DRAWINGS:
        # Ignores the user's matplotlib configuration.
        with mpl.rc_context(), warnings.catch_warnings():
            mpl.rcdefaults()
            mpl.rcParams.update(STYLE)
            # A PNG then shows a box; the SVG contains the character itself.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            if (plot := draw(subject, kept)) is not None:
                yield _rendered(plot, subject)


def _rendered(plot: Plot, subject: Subject) -> Picture:
    title = f"{plot.title} of {subject.version}"
    svg = {"Title": title, "Description": plot.description, "Creator": "Hotswap", "Date": None}
    png = {"Title": title, "Description": plot.description, "Software": "Hotswap"}
    files = {}
    for ending, metadata in (("svg", svg), ("png", png)):
        file = io.BytesIO()
        plot.figure.savefig(file, format=ending, metadata=metadata)
        files[f"{plot.name}.{ending}"] = file.getvalue()
    return Picture(plot.name, plot.title, plot.description, files)
