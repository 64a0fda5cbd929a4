"""Draws a plot of a stored evaluation as an SVG document."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from api.plots.sheet import Colour, Sheet
from registry.cards.blocks import figure
from registry.plots.content import PLOTS, CurvePlot, plots_of
from registry.plots.curves import HEIGHT, WIDTH, Axes, Bars, Points
from registry.reading.stored_evaluation import StoredEvaluation

_HEAD = 52
"""Above the plot: the title, and what is drawn."""
_LINE = 18
_LEFT = 12
_SERIES: tuple[Colour, ...] = ("link", "ok", "warn", "bad", "dim", "edge")
_DASHES = ("none", "8 4", "2 3", "9 3 2 3", "4 2", "1 5")
"""Curves differ by their dashes too, as in the console."""


class _Words(NamedTuple):
    """``part`` is the key of ``plots_of``; ``x`` and ``y`` are the names of the axes."""

    part: str
    title: str
    says: str
    x: str = ""
    y: str = ""


_WORDS: dict[str, _Words] = {
    "predicted_vs_true": _Words(
        "predicted", "Predicted against true", "On the dashed line the prediction is right.",
        "true", "predicted",
    ),
    "residuals": _Words(
        "residuals", "Errors", "How many held-out rows have an error of which size.",
        "error", "rows",
    ),
    "confusion_matrix": _Words(
        "confusion", "Confusion matrix", "Held-out rows by true class (row) and predicted one."
    ),
    "roc": _Words(
        "roc", "ROC", "The dashed line is guessing.", "false positives", "true positives"
    ),
    "precision_recall": _Words(
        "precision_recall", "Precision and recall", "For each class.", "recall", "precision"
    ),
    "calibration": _Words(
        "calibration", "Calibration", "On the dashed line the probabilities are honest.",
        "predicted probability", "observed share",
    ),
    "importances": _Words("importances", "Importances", "Together they are 1."),
    "coefficients": _Words("coefficients", "Coefficients", "The largest ones."),
}  # fmt: skip


def drawn(evaluation: StoredEvaluation) -> list[str]:
    """The names of the plots that there are data for."""
    found = plots_of(evaluation)
    return [name for name in PLOTS if found[_WORDS[name].part]]


def to_svg(evaluation: StoredEvaluation, plot: str, subject: str) -> bytes:
    """The plot, one of ``drawn``, as a document; ``subject`` is the name of the version."""
    words = _WORDS[plot]
    content = plots_of(evaluation)[words.part]
    sheet = Sheet(WIDTH, f"{words.title} of {subject}", words.says)
    sheet.text(_LEFT, 20, words.title, fill="ink", size=14, weight=600)
    sheet.text(WIDTH - _LEFT, 20, subject, anchor="end", most=40)
    sheet.text(_LEFT, 38, words.says)
    return sheet.write(_DRAW[plot](sheet, content, words))


def _draw_points(sheet: Sheet, content: Points, words: _Words) -> float:
    height = _axes(sheet, content.axes, words)
    x1, y1, x2, y2 = content.diagonal
    _dashed(sheet, x1, y1, x2, y2)
    for x, y in content.points:
        place = {"cx": x, "cy": y + _HEAD, "r": 2.5, "fill-opacity": 0.45}
        sheet.shape("circle", place, fill="link")
    return height


def _draw_bars(sheet: Sheet, content: Bars, words: _Words) -> float:
    height = _axes(sheet, content.axes, words)
    for bar in content.bars:
        tip = f"{figure(bar.start)} to {figure(bar.end)}: {bar.rows}"
        place = {"x": bar.x, "y": bar.y + _HEAD, "width": bar.width, "height": bar.height}
        sheet.shape("rect", place, fill="past", tip=tip)
    return height


def _draw_curves(sheet: Sheet, content: CurvePlot, words: _Words) -> float:
    axes = content.drawn.axes
    y = _axes(sheet, axes, words)
    if words.part != "precision_recall":
        _dashed(sheet, axes.left, axes.bottom, axes.right, axes.top)
    for index, line in enumerate(content.drawn.lines):
        moved = f"translate(0 {_HEAD})"
        _curve(sheet, "polyline", index, {"points": line, "transform": moved})
    for index, one in enumerate(content.legend):
        sample = {"x1": _LEFT, "x2": _LEFT + 32, "y1": y - 4, "y2": y - 4}
        _curve(sheet, "line", index, sample)
        area = "" if one["area"] is None else f" ({figure(one['area'])})"
        sheet.text(_LEFT + 42, y, f"{one['label']}{area}", fill="ink", most=60)
        y += _LINE
    return _left_out(sheet, y, content.left_out)


def _draw_matrix(sheet: Sheet, content: Mapping[str, Any], _: _Words) -> float:
    labels: Sequence[str] = content["labels"]
    first, row = 110.0, 24.0
    width = (WIDTH - first - _LEFT) / len(labels)
    most = max(2, int(width // 6))
    for column, label in enumerate(labels):
        x = first + width * (column + 0.5)
        sheet.text(x, _HEAD + 14, label, anchor="middle", most=most)
    for line, one in enumerate(content["rows"]):
        y = _HEAD + 22 + row * line
        sheet.text(first - 8, y + 16, one["label"], fill="ink", anchor="end", most=16)
        for column, cell in enumerate(one["cells"]):
            x = round(first + width * column, 1)
            place = {"x": x, "y": y, "width": round(width - 2, 1), "height": 22}
            tint = round(cell["tint"] * 0.04, 2)
            sheet.shape("rect", {**place, "fill-opacity": tint}, fill="link")
            middle = round(x + width / 2 - 1, 1)
            count = str(cell["count"])
            sheet.text(middle, y + 15, count, fill="ink", anchor="middle", most=most)
    return _HEAD + 22 + row * len(labels) + 8


def _draw_weights(sheet: Sheet, content: Mapping[str, Any], _: _Words) -> float:
    first, last = 190.0, WIDTH - 70.0
    y = _HEAD + 14.0
    for row in content["rows"]:
        sheet.text(first - 8, y, row["feature"], fill="ink", anchor="end", most=26)
        length = round((last - first) * row["length"] / 100, 1)
        bar = {"x": first, "y": y - 9, "width": length, "height": 11}
        sheet.shape("rect", bar, fill="past")
        sheet.text(WIDTH - _LEFT, y, figure(row["value"]), anchor="end")
        y += _LINE
    return _left_out(sheet, y, content["left_out"])


_DRAW: dict[str, Callable[[Sheet, Any, _Words], float]] = {
    "predicted_vs_true": _draw_points,
    "residuals": _draw_bars,
    "confusion_matrix": _draw_matrix,
    "roc": _draw_curves,
    "precision_recall": _draw_curves,
    "calibration": _draw_curves,
    "importances": _draw_weights,
    "coefficients": _draw_weights,
}


def _axes(sheet: Sheet, axes: Axes, words: _Words) -> float:
    """Draw the frame of a plot; where what is below begins."""
    for mark in axes.y_marks:
        y = mark.place + _HEAD
        sheet.shape("line", {"x1": axes.left, "x2": axes.right, "y1": y, "y2": y}, stroke="line")
        sheet.text(axes.left - 6, y + 4, figure(mark.value), anchor="end")
    for mark in axes.x_marks:
        ends = {"y1": axes.top + _HEAD, "y2": axes.bottom + _HEAD}
        sheet.shape("line", {"x1": mark.place, "x2": mark.place, **ends}, stroke="line")
        sheet.text(mark.place, axes.bottom + _HEAD + 18, figure(mark.value), anchor="middle")
    sheet.text(axes.right, HEIGHT + _HEAD + 8, words.x, anchor="end")
    sheet.text(axes.left, _HEAD + 4, words.y)
    return HEIGHT + _HEAD + 30


def _dashed(sheet: Sheet, x1: float, y1: float, x2: float, y2: float) -> None:
    ends = {"x1": x1, "y1": y1 + _HEAD, "x2": x2, "y2": y2 + _HEAD}
    sheet.shape("line", {**ends, "stroke-dasharray": "4 3"}, stroke="edge")


def _curve(sheet: Sheet, tag: str, index: int, place: Mapping[str, float | str]) -> None:
    dashes = _DASHES[index % len(_DASHES)]
    stroke = _SERIES[index % len(_SERIES)]
    sheet.shape(tag, {**place, "stroke-width": 2, "stroke-dasharray": dashes}, stroke=stroke)


def _left_out(sheet: Sheet, y: float, count: int) -> float:
    """Say how many curves or weights are not drawn; the height of the document."""
    if count:
        sheet.text(_LEFT, y, f"and {count} more")
        y += _LINE
    return y
