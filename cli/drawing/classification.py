"""Plots of a classifier's errors and probabilities."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from matplotlib.axes import Axes

from cli.drawing.look import INK, QUIET, SHADES, Plot, Subject, canvas, short, strokes, unit_square
from registry.reading.stored_evaluation import (
    CalibrationCurve,
    ConfusionMatrix,
    PrecisionRecallCurve,
    RocCurve,
    StoredEvaluation,
)
from registry.signature import Label, label_text

MAX_CURVES = 8
"""More lines in one plot could not be distinguished."""
MAX_WRITTEN = 20
"""The most classes with which the counts are written into the confusion matrix."""

Curve = TypeVar("Curve", RocCurve, PrecisionRecallCurve, CalibrationCurve)


def confusion_matrix(subject: Subject, kept: StoredEvaluation) -> Plot | None:
    """Rows are the true classes. None where none was kept."""
    matrix = kept.confusion_matrix
    if matrix is None:
        return None
    title = "Confusion matrix"
    count = len(matrix.labels)
    side = min(16.0, 3.6 + 0.42 * max(count, 5))
    total = sum(map(sum, matrix.counts))
    figure = canvas(subject, title, f"{total:,} held-out rows", width=side + 1.2, height=side)
    axes = figure.add_subplot()
    shares = [[cell / max(1, sum(row)) for cell in row] for row in matrix.counts]
    image = axes.imshow(shares, cmap=SHADES, vmin=0, vmax=1)
    names = [short(label_text(label), 24) for label in matrix.labels]
    size = 10 if count <= MAX_WRITTEN else max(3.0, 10 * MAX_WRITTEN / count)
    axes.set_xticks(range(count), names, rotation=45, ha="right", fontsize=size)
    axes.set_yticks(range(count), names, fontsize=size)
    axes.set(xlabel=f"predicted {short(subject.target)}", ylabel=f"true {short(subject.target)}")
    axes.grid(visible=False)
    if count <= MAX_WRITTEN:
        _write_counts(axes, matrix, shares)
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class's rows (0 to 1)")
    right = sum(matrix.counts[place][place] for place in range(count))
    description = (
        f"{right:,} of {total:,} held-out rows are on the diagonal, where the predicted class is "
        "the true one."
    )
    return Plot("confusion-matrix", title, description, figure)


def roc(subject: Subject, kept: StoredEvaluation) -> Plot | None:
    """None where no curve was kept."""
    if not kept.roc:
        return None
    chosen = _chosen(kept.roc, lambda curve: curve.auc)
    title = "ROC curve"
    figure = canvas(subject, title, _under(kept.roc, chosen, kept), width=6.4, height=6.2)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle="dotted", linewidth=1.2, label="guessing")
    for curve, stroke in zip(chosen, strokes(len(chosen)), strict=True):
        axes.plot(curve.fpr, curve.tpr, label=_named(curve.label, "AUC", curve.auc), **stroke)
    unit_square(axes)
    axes.set(
        xlabel="false positive rate (share of the other rows)",
        ylabel="true positive rate (share of the class's rows)",
    )
    axes.legend(loc="lower right", title=short(subject.target))
    return Plot("roc", title, _described(chosen, "AUC", lambda curve: curve.auc), figure)


def precision_recall(subject: Subject, kept: StoredEvaluation) -> Plot | None:
    """None where no curve was kept."""
    curves = kept.precision_recall
    if not curves:
        return None
    chosen = _chosen(curves, lambda curve: curve.average_precision)
    title = "Precision and recall"
    figure = canvas(subject, title, _under(curves, chosen, kept), width=6.4, height=6.2)
    axes = figure.add_subplot()
    for curve, stroke in zip(chosen, strokes(len(chosen)), strict=True):
        named = _named(curve.label, "AP", curve.average_precision)
        # Precision is a step function of recall.
        axes.step(curve.recall, curve.precision, where="post", label=named, **stroke)
        if curve.positives is not None and len(chosen) == 1:
            axes.axhline(
                curve.positives, color=QUIET, linestyle="dotted", linewidth=1.2, label="guessing"
            )
    unit_square(axes)
    axes.set(
        xlabel="recall (share of the class's rows that are found)",
        ylabel="precision (share of what is found that is right)",
    )
    axes.legend(loc="best", title=short(subject.target))
    described = _described(chosen, "average precision", lambda curve: curve.average_precision)
    return Plot("precision-recall", title, described, figure)


def calibration(subject: Subject, kept: StoredEvaluation) -> Plot | None:
    """None where no curve was kept."""
    if not kept.calibration:
        return None
    chosen = _chosen(kept.calibration, _miscalibrated)
    title = "Calibration"
    under = _under(kept.calibration, chosen, kept)
    figure = canvas(subject, title, under, width=6.4, height=7.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.plot([0, 1], [0, 1], color=QUIET, linestyle="dotted", linewidth=1.2, label="perfect")
    for curve, stroke in zip(chosen, strokes(len(chosen)), strict=True):
        name = short(label_text(curve.label), 24)
        above.plot(curve.predicted, curve.observed, marker="o", markersize=4, label=name, **stroke)
        below.plot(curve.predicted, curve.counts, marker="o", markersize=4, **stroke)
    above.set(
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        ylabel="share of the rows that are of the class (0 to 1)",
    )
    below.set(xlabel="predicted probability (mean of the bin, 0 to 1)", ylabel="rows (count)")
    below.set_ylim(bottom=0)
    above.legend(loc="upper left", title=short(subject.target))
    described = _described(chosen, "mean distance from the diagonal", _miscalibrated)
    return Plot("calibration", title, described, figure)


def _miscalibrated(curve: CalibrationCurve) -> float:
    """The expected calibration error: the mean distance of the bins from the diagonal, weighted by
    their rows."""
    distances = [
        abs(predicted - observed) * count
        for predicted, observed, count in zip(
            curve.predicted, curve.observed, curve.counts, strict=True
        )
    ]
    return sum(distances) / max(1, sum(curve.counts))


def _write_counts(axes: Axes, matrix: ConfusionMatrix, shares: list[list[float]]) -> None:
    for true, row in enumerate(matrix.counts):
        for predicted, cell in enumerate(row):
            colour = INK if shares[true][predicted] > 0.5 else "white"
            axes.text(
                predicted, true, f"{cell:,}", ha="center", va="center", fontsize=8, color=colour
            )


def _chosen(curves: Sequence[Curve], merit: Callable[[Curve], float | None]) -> list[Curve]:
    """All curves, or the MAX_CURVES with the worst ``merit``."""
    if len(curves) <= MAX_CURVES:
        return list(curves)
    worst_first = sorted(
        curves,
        key=lambda curve: (
            -(merit(curve) or 0) if isinstance(curve, CalibrationCurve) else (merit(curve) or 0)
        ),
    )
    kept = set(map(id, worst_first[:MAX_CURVES]))
    return [curve for curve in curves if id(curve) in kept]


def _under(all_: Sequence[Any], chosen: Sequence[Any], kept: StoredEvaluation) -> str:
    parts = [] if kept.rows is None else [f"{kept.rows:,} held-out rows"]
    if len(all_) > len(chosen):
        parts.append(f"the worst {len(chosen)} of {len(all_)} classes")
    elif len(all_) > 1:
        parts.append("each class against the rest")
    thinned = [curve.points for curve in chosen if getattr(curve, "points", None)]
    if thinned:
        parts.append(f"thinned from up to {max(thinned):,} points")
    return "; ".join(parts) or "held-out rows"


def _named(label: Label, figure: str, value: float | None) -> str:
    name = short(label_text(label), 24)
    return name if value is None else f"{name} ({figure} {value:.3f})"


def _described(curves: Sequence[Curve], figure: str, merit: Callable[[Curve], float | None]) -> str:
    said = [
        f"{short(label_text(curve.label))} {value:.3f}"
        for curve in curves
        if (value := merit(curve)) is not None
    ]
    return f"{figure[0].upper()}{figure[1:]} of {', '.join(said)}." if said else "Held-out rows."
