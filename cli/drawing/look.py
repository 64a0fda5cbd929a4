"""How all plots look, so that those of two versions can be laid side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cli.formatting import one_line

INK = "#1a1a1a"
QUIET = "#6b6b6b"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8a7a00")
"""By Okabe and Ito ("Color Universal Design", 2008), told apart by the colour-blind too; their
yellow is darkened, which on white could not be seen."""
DASHES = ("solid", "dashed", "dashdot", "dotted")
SHADES = "cividis"
"""As light as it is large, and the same to the colour-blind (Nuñez, Anderton and Renslow, 2018)."""

STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "sans-serif"],
    "font.size": 10,
    # A name may hold dollar signs; nothing in it is a formula.
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
    # Text stays text, for screen readers and for scripts that the font has no letters of.
    "svg.fonttype": "none",
    # The same figures make the same bytes.
    "svg.hashsalt": "hotswap",
}
MAX_NAME = 40


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture: the name of its file, without an ending, and what is to be seen in words."""

    name: str
    title: str
    description: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Subject:
    """What is drawn: the version (``housing/3``), its task, and the name of what it predicts."""

    version: str
    task: str
    target: str


def canvas(
    subject: Subject, title: str, under: str, width: float = 7.0, height: float = 5.0
) -> Figure:
    """An empty figure of so many inches, with its title and, at its foot, of what it is."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold")
    figure.supxlabel(f"{subject.version} · {under}", x=0.01, ha="left", fontsize=9, color=QUIET)
    return figure


def short(text: object, most: int = MAX_NAME) -> str:
    """A name that somebody chose, on one line and not longer than a label may be."""
    shown = one_line(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def strokes(count: int) -> list[dict[str, Any]]:
    """Colour and dashes of ``count`` lines, up to eight: told apart also where there is no colour
    but for one other line of the same dashes."""
    return [
        {"color": colour, "linestyle": dashes}
        for colour, dashes in zip(COLOURS[:count], cycle(DASHES), strict=False)
    ]


def unit_square(axes: Axes) -> None:
    """Both axes from 0 to 1, with a little room for lines along the edges."""
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first of ``names``, and how many there are besides."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
