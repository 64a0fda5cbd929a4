"""The simulation of guards: it counts as the registry does, and small ones hold the promises."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.guards import RULES, Runs, Setting, simulate, slow_shares
from registry.guards.evidence import ArmCounts, Evidence

EQUAL = Setting("equal", 5, 95, 0.005, 0.005, seconds=300)


def test_each_run_has_the_evidence_of_its_own_counts():
    setting, random = (
        replace(EQUAL, canary=1, champion=3, canary_rate=0.2),
        np.random.default_rng(1),
    )
    runs, alone = Runs(setting.limit, 3), [Evidence()] * 3

    for second in range(50):
        counts = setting.second(second, 3, random)
        runs.add(second, counts)
        for run, (requests, bad, others, others_bad) in enumerate(np.array(counts).T.tolist()):
            alone[run] = alone[run].after(
                setting.limit, ArmCounts(requests, bad), ArmCounts(others, others_bad)
            )

    assert runs.intervals.tolist() == [evidence.intervals for evidence in alone]
    np.testing.assert_allclose(runs.bets, [evidence.log_bets for evidence in alone], rtol=1e-12)


def test_a_canary_within_the_limit_is_not_rolled_back_where_a_threshold_would():
    outcome = simulate(EQUAL, runs=100)

    assert outcome.share("guard") <= 0.01
    assert outcome.share("threshold") >= 0.9
    assert outcome.undecided <= 0.1


def test_a_canary_that_breaks_later_is_rolled_back():
    setting = replace(EQUAL, canary=100, champion=1900, canary_rate=0.3, healthy=60, seconds=10)

    outcome = simulate(setting, runs=50)

    assert outcome.share("guard") == 1.0
    assert 1 <= outcome.seconds("guard", 0.99) <= 5


def test_a_run_that_is_never_rolled_back_takes_for_ever():
    outcome = simulate(replace(EQUAL, canary_rate=0.0, champion_rate=0.0, seconds=3), runs=4)

    assert [outcome.seconds(rule, 0.5) for rule in RULES] == [np.inf] * 4


def test_answers_that_take_longer_are_slow():
    champion, canary = slow_shares(factor=3.0)

    assert champion < 0.01 < canary
    assert slow_shares(factor=1.0)[1] == pytest.approx(champion, abs=1e-3)
