"""The limits of a stop in the documentation, from which operators derive their own."""

import pkgutil
import re
from pathlib import Path

from cli.server import DRAIN_SECONDS, END_SECONDS, GRACE_SECONDS, STOP_SECONDS

PAGE = (Path(__file__).parents[3] / "docs" / "starting-and-stopping.md").read_text()


def test_documented_stop_phases_match_the_code() -> None:
    rows = re.findall(r"^\| .* \| ([\d.]+) s.* \| `(cli\.[\w.]+)` \|$", PAGE, re.MULTILINE)

    assert len(rows) == 5
    assert {name: float(seconds) for seconds, name in rows} == {
        name: float(pkgutil.resolve_name(name)) for _, name in rows
    }


def test_supervisor_limits_are_the_sum_of_the_phases() -> None:
    assert STOP_SECONDS == DRAIN_SECONDS + GRACE_SECONDS + END_SECONDS
    given = re.findall(
        r"stopwaitsecs=(\d+)|TimeoutStopSec=(\d+)|--time (\d+)|= \*\*(\d+) s\*\*", PAGE
    )
    assert len(given) == 4
    assert {int("".join(one)) for one in given} == {STOP_SECONDS}


def test_the_kubernetes_grace_period_includes_the_hook() -> None:
    found = re.search(
        r"terminationGracePeriodSeconds = preStop \+ STOP_SECONDS = (\d+) \+ (\d+) = (\d+)", PAGE
    )
    assert found is not None
    hook, stop, grace = map(int, found.groups())

    assert stop == STOP_SECONDS
    assert grace == hook + stop
