"""Prints a table of the replies that each deployment's clients got, after its tests."""

import subprocess
from collections.abc import Callable

import pytest

from tests.deploy.load import Verdict

Report = Callable[[str, str, Verdict], None]
_KEY = "deployment"
PROGRAMS = {
    "nginx": "-v",
    "supervisord": "--version",
    "systemctl": "--version",
    "podman": "--version",
    "crun": "--version",
    "curl": "--version",
    "openssl": "version",
    "promtool": "--version",
}
"""The programs of the distribution that the deployments need, with their option for the version."""


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Add a line to the table; fails if a reply failed or was stale.

    It takes the name of the deployment, what was started, and what the clients got.
    """

    def add(name: str, started: str, verdict: Verdict) -> None:
        record_property(_KEY, (name, started, verdict.replies, verdict.failed, verdict.stale))
        assert verdict.replies > 200
        assert (verdict.failed, verdict.stale) == (0, 0), verdict.shown

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = [
        row
        for reports in terminalreporter.stats.values()
        for one in reports
        for key, row in getattr(one, "user_properties", [])
        if key == _KEY and one.when == "call"
    ]
    if not rows:
        return
    terminalreporter.section("deployments")
    width = max(len(row[0]) for row in rows)
    terminalreporter.line(f"{'':{width}}  replies  failed  stale  started")
    for name, started, replies, failed, stale in rows:
        line = f"{name:{width}}  {replies:7}  {failed:6}  {stale:5}  {started}"
        terminalreporter.line(line, red=bool(failed or stale))
    for program, option in PROGRAMS.items():
        said = subprocess.run(
            [program, option],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        terminalreporter.line(f"{program}: {said.stdout.splitlines()[0]}")
