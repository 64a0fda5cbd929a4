"""Versions are swapped under load without an effect on predictions, in every protocol."""

import pytest

from benchmarks.swap import PROTOCOLS, Target, constant_model, swap
from benchmarks.swap_record import check
from tests.marks import first_fast
from tests.system.models import upload
from tests.system.real_server import Server


@pytest.mark.parametrize("splits", first_fast([False, True]))
def test_no_reply_fails_or_is_stale_while_an_alias_alternates(server: Server, splits: bool) -> None:
    model = "split-and-moved" if splits else "to-and-fro"
    answers: dict[int, object] = {
        upload(server, model, constant_model(value))["version"]: value
        for value in (100.0, 200.0, 300.0)
    }

    replies, moves = swap(
        Target(server.url, server.token, model),
        answers,
        moves=15,
        connections=8,
        steady=0.3,
        protocols=PROTOCOLS,
        splits=splits,
    )
    verdict = check(replies, moves, answers)

    assert verdict.clean, f"{verdict.failed[:3]} {verdict.stale[:3]} {verdict.backwards[:3]}"
    assert verdict.replies > 100
    assert {reply.version for reply in replies} > {1}
