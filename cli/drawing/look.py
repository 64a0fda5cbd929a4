"""The common style of all plots, so that those of two versions can be compared."""

from dataclasses import dataclass
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cli.formatting import one_line

INK = "#1a1a1a"
QUIET = "#6b6b6b"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8a7a00")
"""By Okabe and Ito ("Color Universal Design", 2008), distinguishable by colour-blind readers; the
yellow is darkened, because the original is not visible on white."""
DASHES = ("solid", "dashed", "dashdot", "dotted")
SHADES = "cividis"
"""Lightness grows with the value, also for colour-blind readers (Nuñez, Anderton and Renslow,
2018)."""

STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "sans-serif"],
    "font.size": 10,
    # A name may contain dollar signs, which must not start a formula.
    "text.parse_math": False,
    "text.usetex": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": "#d9d9d9",
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 150,
    # Text stays text, for screen readers and for characters that the font does not have.
    "svg.fonttype": "none",
    # The same data gives the same bytes.
    "svg.hashsalt": "hotswap",
}
MAX_NAME = 40


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure, its file name without an ending, and its description in words."""

    name: str
    title: str
    description: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Subject:
    """The version that is drawn (``housing/3``), its task, and the name of its target."""

    version: str
    task: str
    target: str


def canvas(
    subject: Subject, title: str, under: str, width: float = 7.0, height: float = 5.0
) -> Figure:
    """An empty figure of ``width`` x ``height`` inches, with a title and a caption below."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold")
    figure.supxlabel(f"{subject.version} · {under}", x=0.01, ha="left", fontsize=9, color=QUIET)
    return figure


def short(text: object, most: int = MAX_NAME) -> str:
    """A user's text on one line, cut to ``most`` characters."""
    shown = one_line(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def strokes(count: int) -> list[dict[str, Any]]:
    """Colour and dash style of up to eight lines. Without colour, at most two lines look alike."""
    return [
        {"color": colour, "linestyle": dashes}
        for colour, dashes in zip(COLOURS[:count], cycle(DASHES), strict=False)
    ]


def unit_square(axes: Axes) -> None:
    """Set both axes to 0 to 1, with a margin for lines along the edges."""
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
