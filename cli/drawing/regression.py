"""Plots of a regression's errors."""

from itertools import pairwise

from matplotlib.axes import Axes

from cli.drawing.look import COLOURS, INK, Plot, Subject, canvas, short
from registry.reading.stored_evaluation import Histogram, PredictedVsTrue, StoredEvaluation

POINTS = {"s": 14, "alpha": 0.5, "color": COLOURS[0], "linewidths": 0}


def predicted_against_true(subject: Subject, kept: StoredEvaluation) -> Plot | None:
    """None where no sample was kept."""
    sample = kept.predicted_vs_true
    if sample is None:
        return None
    title = "Predicted against true"
    figure = canvas(subject, title, _counted(sample, kept), width=6.0, height=6.2)
    axes = figure.add_subplot()
    axes.scatter(sample.true, sample.predicted, **POINTS)
    least = min(*sample.true, *sample.predicted)
    most = max(*sample.true, *sample.predicted)
    axes.plot([least, most], [least, most], color=INK, linestyle="dashed", linewidth=1.2)
    axes.set(
        xlabel=f"true {short(subject.target)}",
        ylabel=f"predicted {short(subject.target)}",
        aspect="equal",
    )
    axes.tick_params("x", rotation=30)
    description = f"{_counted(sample, kept)}; the dashed line is where predicted equals true."
    return Plot("predicted-against-true", title, description, figure)


def residuals(subject: Subject, kept: StoredEvaluation) -> Plot | None:
    """The errors of the sample by predicted value, and a histogram of the errors of all rows.

    None where neither was kept.
    """
    sample, histogram = kept.predicted_vs_true, kept.residuals
    if sample is None and histogram is None:
        return None
    title = "Residuals"
    under = "held-out rows" if sample is None else _counted(sample, kept)
    count = (sample is not None) + (histogram is not None)
    figure = canvas(subject, title, under, width=9.0 if count == 2 else 6.0)
    panels = figure.subplots(1, count, sharey=True, squeeze=False)[0].tolist()
    panels[0].set_ylabel(f"true minus predicted {short(subject.target)}")
    if sample is not None:
        _scatter_errors(panels[0], sample)
        panels[0].set_xlabel(f"predicted {short(subject.target)}")
    if histogram is not None:
        _count_errors(panels[-1], histogram)
    return Plot("residuals", title, f"{_said(histogram)}{under}.", figure)


def _scatter_errors(axes: Axes, sample: PredictedVsTrue) -> None:
    pairs = zip(sample.true, sample.predicted, strict=True)
    axes.scatter(sample.predicted, [true - predicted for true, predicted in pairs], **POINTS)
    axes.axhline(0, color=INK, linestyle="dashed", linewidth=1.2)
    axes.tick_params("x", rotation=30)


def _count_errors(axes: Axes, histogram: Histogram) -> None:
    heights = [high - low for low, high in pairwise(histogram.edges)]
    axes.barh(
        histogram.edges[:-1],
        histogram.counts,
        height=heights,
        align="edge",
        color=COLOURS[0],
        edgecolor="white",
        linewidth=0.4,
    )
    axes.set_xlabel("held-out rows (count)")


def _said(histogram: Histogram | None) -> str:
    if histogram is None:
        return ""
    return (
        f"Errors of {sum(histogram.counts):,} held-out rows between {histogram.edges[0]:.6g} and "
        f"{histogram.edges[-1]:.6g}; "
    )


def _counted(sample: PredictedVsTrue, kept: StoredEvaluation) -> str:
    count = len(sample.true)
    if kept.rows is None or kept.rows <= count:
        return f"{count:,} held-out rows"
    return f"{count:,} of {kept.rows:,} held-out rows, drawn at random"
