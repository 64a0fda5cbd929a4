"""Hosts that share a database are stopped, killed and cut off: no reply is stale; in controls
some are. ``make test-hosts`` does it for ten minutes."""

from pathlib import Path

import pytest

from tests.hosts.chaos import CONTROLS, chaos
from tests.hosts.links import are_possible

pytestmark = pytest.mark.slow

CUTS = ("refused", "swallowed", "replies swallowed")


def test_no_reply_is_stale_and_none_fails_at_a_host_that_is_well(tmp_path: Path) -> None:
    outcome = chaos(tmp_path, seconds=40, seed=1, lease=3, networks=are_possible())

    assert outcome.faults == []
    assert outcome.verdict.clean, outcome.lines()
    assert outcome.verdict.replies > 1000
    assert outcome.verdict.moves > 20
    assert outcome.verdict.ended > 3
    assert sum(outcome.verdict.outages.values()) > 2


@pytest.mark.parametrize("name", [name for name in CONTROLS if name != "none"])
def test_without_a_part_of_the_protocol_some_reply_is_stale(tmp_path: Path, name: str) -> None:
    outcome = chaos(
        tmp_path,
        seconds=30,
        seed=1,
        lease=2,
        command=CONTROLS[name],
        lasts=(3.0,),
        only=CUTS,
    )

    assert outcome.verdict.wrong, outcome.lines()
