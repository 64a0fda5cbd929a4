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
"""How many times the small registry's figure the large one's may be."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured of both registries."""

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
        f"`make bench-growth`: {small} of {small.models} models beside {large} of "
        f"{large.models:,} models with as many aliases and {large.models * large.events:,} events, "
        "two workers each, medians in turn. The versions share a few artifacts; those are "
        "registered by the service's own operation, the other rows are copies of theirs.",
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
    """``page`` with ``section``, if it is not empty, in the place of the one with the same heading,
    or at its end."""
    if section and (found := _find(page, section.partition("\n")[0])):
        rest = page[found.end() :]
        return page[: found.start()] + section + (f"\n{rest}" if rest else "")
    return f"{page.rstrip()}\n\n{section}" if section else page


def section_of(page: str) -> str:
    """The section that ``page`` has; empty where it has none."""
    found = _find(page, HEADING)
    return found[0] if found else ""


def _find(page: str, heading: str) -> re.Match[str] | None:
    return re.search(rf"^{heading}\n.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
