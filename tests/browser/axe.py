"""axe-core: the rules of accessibility that a program can check."""

from functools import cache
from pathlib import Path

from playwright.sync_api import Page

FOLDER = Path(__file__).parent / "vendor" / "axe-core"
SOURCE = FOLDER / "axe-4.14.1.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21aa", "wcag22aa")
"""The levels A and AA of WCAG 2.2."""


def load_axe(page: Page) -> None:
    """To be called once after each navigation. Its Content Security Policy allows no other way."""
    page.evaluate(f"{_source()};0")


def violations(page: Page) -> list[str]:
    """What the page violates, with the elements. ``load_axe`` comes before it."""
    found = page.evaluate(
        "async (rules) => (await axe.run(document, {runOnly: rules, resultTypes: ['violations']}))"
        ".violations",
        list(RULES),
    )
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


@cache
def _source() -> str:
    return SOURCE.read_text()
