"""The table of ``benchmarks.growth``, and its place in RESULTS.md."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.growth_registry import Size

HEADING = "## Growth"

READY_SECONDS = 15.0
GOALS = {
    "SQL statements for each version loaded": 1.1,
    "first prediction after promote": 2.0,
    "first prediction after rollback": 2.0,
    "first prediction after token creation": 2.0,
    "first prediction after upload": 2.0,
    "promote": 1.5,
    "rollback": 1.5,
    "upload": 1.5,
    "token creation": 1.5,
}
"""The largest allowed ratio of the large registry's figure to the small one's."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of both registries."""

    what: str
    small: float
    large: float
    unit: str

    @property
    def ratio(self) -> float:
        return self.large / self.small

    @property
    def goal(self) -> str:
        if self.unit == "s":
            return f"at most {READY_SECONDS:g} s"
        return f"at most {GOALS[self.what]:g} times" if self.what in GOALS else ""

    @property
    def within_goal(self) -> bool:
        if self.unit == "s":
            return self.large <= READY_SECONDS
        return self.what not in GOALS or self.ratio <= GOALS[self.what]


def render(small: Size, large: Size, figures: Sequence[Figure]) -> str:
    """The section as Markdown."""
    lines = [
        HEADING,
        "",
        f"`make bench-growth`: {small} of {small.models} models compared with {large} of "
        f"{large.models:,} models with as many aliases and {large.models * large.events:,} events, "
        "two workers each, alternating, medians. The versions share a few artifacts, which were "
        "registered by the service; the other rows are copies of theirs.",
        "",
        f"| | {small} | {large} | ratio | goal |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for figure in figures:
        values = " | ".join(
            f"{_written(value)} {figure.unit}".rstrip() for value in (figure.small, figure.large)
        )
        missed = "" if figure.within_goal else ": missed"
        lines.append(f"| {figure.what} | {values} | {figure.ratio:.2f} | {figure.goal}{missed} |")
    return "\n".join(lines) + "\n"


def _written(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def place(page: str, section: str) -> str:
    """``page`` with ``section`` in place of the section with the same heading, or at the end.

    An empty ``section`` changes nothing."""
    if section and (found := _find(page, section.partition("\n")[0])):
        rest = page[found.end() :]
        return page[: found.start()] + section + (f"\n{rest}" if rest else "")
    return f"{page.rstrip()}\n\n{section}" if section else page


def section_of(page: str, heading: str = HEADING) -> str:
    """The section in ``page``, empty if there is none."""
    found = _find(page, heading)
    return found[0] if found else ""


def _find(page: str, heading: str) -> re.Match[str] | None:
    return re.search(rf"^{heading}\n.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
