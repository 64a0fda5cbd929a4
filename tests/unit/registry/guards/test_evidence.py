"""What the counts of both arms say about a limit: verdicts, and how often they may be wrong."""

import itertools
import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.guards.evidence import (
    GRID,
    ArmCounts,
    Evidence,
    after_interval,
    log_factors,
    log_wealth,
)
from registry.guards.limit import Limit

LIMIT = Limit(scale=2.0, shift=0.005)
ALONE = LIMIT.without_champion(0.005)

COUNTS = st.integers(0, 10**9).flatmap(
    lambda requests: st.builds(ArmCounts, st.just(requests), st.integers(0, requests))
)
LIMITS = st.builds(Limit, st.floats(1e-3, 1000.0), st.floats(0.0, 0.99)) | st.builds(
    Limit, st.just(0.0), st.floats(1e-6, 0.99)
)
SECONDS = st.lists(st.tuples(COUNTS, COUNTS), max_size=8)


def watched(limit: Limit, *seconds: tuple[tuple[int, int], tuple[int, int]]) -> Evidence:
    evidence = Evidence()
    for canary, champion in seconds:
        evidence = evidence.after(limit, ArmCounts(*canary), ArmCounts(*champion))
    return evidence


def test_without_traffic_a_guard_is_undecided():
    assert Evidence().verdict() == "undecided"
    assert Evidence().log_e_value == pytest.approx(0.0, abs=1e-12)
    assert watched(LIMIT, *([((0, 0), (0, 0))] * 3600)) == Evidence()


def test_a_step_without_traffic_is_undecided_whatever_was_before_it():
    before = watched(LIMIT, *([((5, 0), (95, 0))] * 60))
    assert before.verdict() == "passed"
    assert before.verdict(since=before.intervals) == "undecided"

    after = before.after(LIMIT, ArmCounts(5, 0), ArmCounts(95, 0))
    assert after.verdict(since=before.intervals) == "passed"


def test_evidence_goes_on_where_the_champion_has_no_traffic_any_more():
    """A weight of 100 % is another limit, and the guard is still wrong in 1 % of rollouts only."""
    evidence = watched(LIMIT, *([((25, 0), (75, 0))] * 600))
    for _ in range(5):
        evidence = evidence.after(ALONE, ArmCounts(100, 30), ArmCounts(0, 0))

    assert evidence.verdict() == "failed"


def test_a_canary_like_its_champion_passes():
    evidence = watched(LIMIT, *([((5, 0), (95, 1)), ((5, 0), (95, 0))] * 300))

    assert evidence.verdict() == "passed"


def test_a_canary_that_fails_where_its_champion_does_not_fails_its_guard():
    assert watched(LIMIT, ((10, 10), (190, 1))).verdict() == "failed"
    assert watched(LIMIT, *([((100, 5), (1900, 0))] * 4)).verdict() == "failed"


def test_what_hurts_both_arms_alike_fails_no_guard():
    seconds = [((5, 5), (95, 95)), ((100, 50), (1900, 950))] * 30

    assert watched(LIMIT, *seconds).verdict() == "passed"


def test_a_single_fault_in_little_traffic_is_undecided():
    assert watched(LIMIT, ((20, 1), (380, 1))).verdict() == "undecided"


def test_a_canary_that_breaks_after_an_hour_is_found_within_seconds():
    evidence = watched(LIMIT, *([((100, 0), (1900, 10))] * 3600))
    assert evidence.verdict() == "passed"

    for _ in range(3):
        evidence = evidence.after(LIMIT, ArmCounts(100, 50), ArmCounts(1900, 10))
    assert evidence.verdict() == "failed"


def test_counts_wait_until_both_arms_have_requests():
    waiting = watched(LIMIT, ((0, 0), (9, 1)), ((0, 0), (8, 0)))
    assert waiting.verdict() == "undecided"

    compared = waiting.after(LIMIT, ArmCounts(1, 1), ArmCounts(2, 0))

    assert compared == watched(LIMIT, ((1, 1), (19, 1)))


def test_without_a_champion_its_last_rate_counts():
    assert pytest.approx(0.015) == ALONE.shift
    assert watched(ALONE, *([((1000, 15), (0, 0))] * 60)).verdict() != "failed"
    assert watched(ALONE, ((100, 30), (0, 0))).verdict() == "failed"
    assert Limit(1000.0, 0.005).without_champion(0.5).shift == 1.0


@pytest.mark.parametrize(
    ("canary", "champion"),
    [((1, 2), (5, 0)), ((5, 0), (1, 2)), ((-1, 0), (5, 0)), ((5, -1), (5, 0))],
)
def test_impossible_counts_are_refused(canary, champion):
    with pytest.raises(ValueError, match="impossible counts"):
        watched(LIMIT, (canary, champion))


def expected_factors(limit: Limit, canary: tuple[int, float], champion: tuple[int, float]):
    """The expected factor of each bet for arms of so many independent requests with these rates,
    summed over all possible counts."""
    total = np.zeros(len(GRID))
    (requests, rate), (others, other_rate) = canary, champion
    for bad, others_bad in itertools.product(range(requests + 1), range(others + 1)):
        probability = (
            math.comb(requests, bad)
            * rate**bad
            * (1 - rate) ** (requests - bad)
            * math.comb(others, others_bad)
            * other_rate**others_bad
            * (1 - other_rate) ** (others - others_bad)
        )
        total += probability * np.exp(log_factors(limit, (requests, bad), (others, others_bad)))
    return total


@pytest.mark.parametrize("limit", [LIMIT, Limit(1.0, 0.0), Limit(3.0, 0.2), Limit(0.5, 0.1), ALONE])
@pytest.mark.parametrize("requests", [(1, 1), (1, 7), (6, 2), (4, 4)])
def test_within_the_limit_no_bet_is_expected_to_grow(limit, requests):
    """The whole distribution is summed up: the wealth is a supermartingale."""
    own, others = requests
    for other_rate in (0.0, 0.001, 0.05, 0.3, 0.5, 0.9, 1.0):
        largest = min(limit.scale * other_rate + limit.shift, 1.0)
        for rate in (largest, largest / 2, 0.0):
            factors = expected_factors(limit, (own, rate), (others, other_rate))
            assert factors.max() <= 1 + 1e-12


def test_above_the_limit_a_bet_is_expected_to_grow():
    assert expected_factors(LIMIT, (4, 0.2), (4, 0.05)).max() > 1
    assert expected_factors(ALONE, (4, 0.02), (4, 0.0)).max() > 1


def test_bets_and_reserve_together_keep_their_sum():
    """What is added to the bets is taken from the reserve."""
    bets, nothing = np.array(Evidence().log_bets), np.zeros(len(GRID))
    for intervals in range(1000):
        bets = after_interval(bets, intervals, nothing)

    assert log_wealth(bets, 1000) == pytest.approx(0.0, abs=1e-9)


def test_at_the_limit_the_wealth_ever_doubles_with_a_probability_of_a_half_at_most():
    """By all possible counts of eight intervals with one request of each arm, with a look after
    each of them."""
    limit, rates = Limit(1.0, 0.1), (0.6, 0.5)
    bets = np.array(Evidence().log_bets)[np.newaxis]
    outcomes = [
        (bad, other, (rates[0] if bad else 1 - rates[0]) * (rates[1] if other else 1 - rates[1]))
        for bad, other in itertools.product((0, 1), repeat=2)
    ]
    share, ever = np.ones(1), 0.0
    for intervals in range(8):
        reached, shares = [], []
        for bad, other, probability in outcomes:
            factors = log_factors(limit, (1, bad), (1, other))
            reached.append(after_interval(bets, intervals, factors))
            shares.append(share * probability)
        bets, share = np.concatenate(reached), np.concatenate(shares)
        over = log_wealth(bets, intervals + 1) >= math.log(2)
        ever += share[over].sum()
        bets, share = bets[~over], share[~over]

    assert 0 < ever <= 1 / 2


@given(LIMITS, SECONDS)
def test_evidence_survives_json_exactly(limit, seconds):
    evidence = watched(limit, *seconds)
    text = msgspec.json.encode(evidence)

    assert msgspec.json.decode(text, type=Evidence) == evidence
    assert msgspec.json.decode(json.dumps(json.loads(text)), type=Evidence) == evidence


@given(LIMITS, SECONDS)
def test_no_counts_are_too_many(limit, seconds):
    evidence = watched(limit, *seconds)

    assert all(map(math.isfinite, (evidence.log_e_value, *evidence.log_bets)))
    assert evidence.verdict() in {"passed", "failed", "undecided"}


@given(LIMITS, SECONDS)
def test_evidence_continues_where_it_was_stored(limit, seconds):
    through = Evidence()
    for second in seconds:
        stored = msgspec.json.encode(through)
        through = msgspec.json.decode(stored, type=Evidence).after(limit, *second)

    assert through == watched(limit, *seconds)


@given(LIMITS, COUNTS, COUNTS, st.integers(1, 1000))
def test_one_more_fault_of_the_canary_never_speaks_for_it(limit, canary, champion, more):
    canary, champion = canary.plus(ArmCounts(more, 0)), champion.plus(ArmCounts(1, 0))
    worse = canary.plus(ArmCounts(0, min(more, canary.requests - canary.bad)))

    before = Evidence().after(limit, canary, champion)
    assert Evidence().after(limit, worse, champion).log_e_value >= before.log_e_value


@given(LIMITS, st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=6), st.randoms())
def test_the_order_of_seconds_does_not_change_what_one_bet_has_won(limit, seconds, random):
    """Nor does the host that they come from: only what the reserve adds depends on the order."""
    seconds = [(own.plus(ArmCounts(1, 0)), other.plus(ArmCounts(1, 0))) for own, other in seconds]
    factors = [log_factors(limit, own, other) for own, other in seconds]
    shuffled = random.sample(factors, len(factors))

    np.testing.assert_allclose(np.sum(factors, axis=0), np.sum(shuffled, axis=0), rtol=1e-9)
