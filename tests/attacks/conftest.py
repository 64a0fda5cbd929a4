"""Counts the outcomes of the attacks, and prints them at the end."""

from collections import Counter

import pytest

FIGURE = "attacks"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests have recorded as ``FIGURE``: (name, number)."""
    counted: Counter[str] = Counter()
    largest: dict[str, float] = {}
    seconds = 0.0
    for report in terminalreporter.stats.get("passed", []) + terminalreporter.stats.get(
        "failed", []
    ):
        figures = [value for name, value in report.user_properties if name == FIGURE]
        if figures and report.when == "call":
            seconds += report.duration
        for name, number in figures if report.when == "call" else ():
            if name.startswith("largest"):
                largest[name] = max(number, largest.get(name, 0))
            else:
                counted[name] += number
    if counted:
        said = ", ".join(f"{name} {number}" for name, number in (counted | largest).items())
        terminalreporter.section("attacks")
        terminalreporter.line(f"{said}; {seconds:.0f} s")
