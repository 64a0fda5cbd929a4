"""What a rollout's evidence is made of, from totals that servers keep."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.rollout_simulation import CANARY, CHAMPION, HOUR_BEFORE, START
from registry.rollouts.observed import Arms, Observed, Tally, Totals
from registry.rollouts.plan import parse_plan

PLAN = parse_plan({"steps": [{"weight": 5, "minutes": 10}, {"weight": 100}]})
FAULTS, SLOW = (guard.text for guard in PLAN.guards)


def _after(observed, *reads, now=START):
    for read in reads:
        observed = observed.after(PLAN, CANARY, CHAMPION, read, now)
    return observed


def _read(canary, champion, server="one"):
    return {server: {CANARY: Totals(*canary), CHAMPION: Totals(*champion)}}


def test_only_what_was_counted_since_the_first_reading_counts():
    observed = _after(
        Observed.begin(PLAN, HOUR_BEFORE),
        _read((50, (900, 0)), (70, (9000, 0))),
        _read((51, (910, 0)), (70, (9100, 0))),
        _read((51, (915, 0)), (72, (9200, 0))),
    )

    assert observed.whole == Arms(Tally(15, 1, 15, 0), Tally(200, 2, 200, 0))
    assert observed.guards[FAULTS].intervals == 2


def test_a_longer_time_without_reading_loses_nothing():
    """As after a restart of the keeper: the next interval is a longer one."""
    first, *between, last = (
        _read((n // 9, (n, n // 3)), (n // 5, (20 * n, n))) for n in range(0, 100, 7)
    )
    often = _after(Observed.begin(PLAN, HOUR_BEFORE), first, *between, last)
    once = _after(Observed.begin(PLAN, HOUR_BEFORE), first, last)

    assert once.whole == often.whole
    assert (once.guards[FAULTS].intervals, often.guards[FAULTS].intervals) == (1, 14)


@pytest.mark.parametrize(
    "earlier",
    [
        _read((0, (105, 0)), (0, (1050, 0))),
        _read((0, (110, 0)), (0, (1050, 0))),
        _read((0, (105, 0)), (0, (1100, 0))),
        {"one": {CHAMPION: Totals(0, (1100, 0))}},
        {"one": {}},
    ],
)
def test_an_earlier_reading_changes_nothing(earlier):
    """As where the keeper of another host takes over, which reads what was stored before."""
    observed = _after(
        Observed.begin(PLAN, HOUR_BEFORE),
        _read((0, (100, 0)), (0, (1000, 0))),
        _read((0, (110, 0)), (0, (1100, 0))),
        earlier,
        _read((0, (116, 0)), (0, (1200, 0))),
    )

    assert observed.whole == Arms(Tally(16, 0, 16, 0), Tally(200, 0, 200, 0))


def test_a_champion_whose_place_was_given_away_does_not_keep_the_canary_from_being_counted():
    """After its promotion, of the workers that have very many versions with an alias."""
    observed = _after(
        Observed.begin(PLAN, HOUR_BEFORE),
        _read((0, (100, 0)), (0, (1000, 0))),
        _read((0, (110, 0)), (0, (400, 0))),
        {"one": {CANARY: Totals(0, (130, 0))}},
        _read((0, (133, 0)), (0, (10, 0))),
    )

    assert observed.whole == Arms(Tally(33, 0, 33, 0), Tally(10, 0, 10, 0))


def test_a_server_that_was_restarted_counts_from_its_first_reading_on():
    observed = _after(
        Observed.begin(PLAN, HOUR_BEFORE),
        _read((0, (100,)), (0, (1000,))),
        _read((0, (3,)), (0, (40,)), server="two"),
        _read((0, (4,)), (0, (60,)), server="two"),
    )

    assert observed.whole == Arms(Tally(1, 0, 1, 0), Tally(20, 0, 20, 0))


def test_the_counts_of_each_server_are_an_interval_of_their_own():
    one, other = _read((0, (0,)), (0, (0,))), _read((0, (0,)), (0, (0,)), server="two")
    observed = _after(
        Observed.begin(PLAN, HOUR_BEFORE),
        one | other,
        _read((1, (10,)), (0, (100,))) | _read((0, (5,)), (0, (50,)), server="two"),
    )

    assert observed.guards[FAULTS].intervals == 2
    assert observed.whole == Arms(Tally(15, 1, 15, 0), Tally(150, 0, 150, 0))


def test_a_version_that_has_answered_nothing_has_no_counts():
    observed = _after(
        Observed.begin(PLAN, HOUR_BEFORE),
        {"one": {CHAMPION: Totals(0, (5,))}},
        {"one": {CHAMPION: Totals(0, (9,))}},
        {"one": {CHAMPION: Totals(0, (9,)), CANARY: Totals(1, (2,))}},
    )

    assert observed.whole == Arms(Tally(2, 1, 2, 0), Tally(4, 0, 4, 0))


def test_what_is_slow_is_known_from_the_hour_before():
    assert Observed.begin(PLAN, HOUR_BEFORE).slow_bin == 4


def test_what_is_slow_is_learned_from_the_first_answers_of_the_champion():
    """With fewer than 100 there is no 99th percentile. Answers until then are not judged by it."""
    observed = _after(
        Observed.begin(PLAN, (0, 50, 0)),
        _read((0, (0, 0, 0)), (0, (0, 0, 0))),
        _read((0, (0, 0, 9)), (0, (0, 40, 0))),
    )
    assert observed.slow_bin is None
    assert observed.guards[SLOW].intervals == 0

    observed = _after(
        observed,
        _read((0, (0, 0, 9)), (0, (0, 60, 0))),
        _read((0, (0, 1, 10)), (0, (0, 160, 0))),
    )
    assert observed.slow_bin == 2
    assert observed.whole == Arms(Tally(11, 0, 2, 1), Tally(160, 0, 100, 0))
    assert observed.guards[SLOW].intervals == 1


def test_a_new_step_has_to_be_compared_anew():
    observed = _after(
        Observed.begin(PLAN, HOUR_BEFORE),
        _read((0, (0,)), (0, (0,))),
        _read((0, (10,)), (0, (200,))),
    )
    assert observed.verdict(FAULTS) == "passed"

    after = observed.next_step()
    assert after.verdict(FAULTS) == "undecided"
    assert (after.step, after.whole) == (Arms(), observed.whole)


def test_at_the_promotion_the_rates_of_the_champions_last_hour_are_kept():
    observed = Observed.begin(PLAN, HOUR_BEFORE)
    faults = 0
    for minute in range(180):
        faults += 20 if minute >= 90 else 0
        read = _read((0, (0,)), (faults, (1000 * minute,)))
        observed = _after(observed, read, now=START + timedelta(minutes=minute))
        if minute == 89:
            early = observed.next_step(promoted=True)

    assert early.rates["faults"] == 1 / (60 * 1000 + 100)
    rates = observed.next_step(promoted=True).rates
    assert rates["faults"] == (60 * 20 + 1) / (60 * 1020 + 100)
    assert observed.next_step().rates is None


def test_the_rate_of_a_champion_without_requests_is_one_in_a_hundred():
    rates = Observed.begin(PLAN).next_step(promoted=True).rates

    assert rates == {"faults": 0.01, "slow": 0.01}


@given(counts=st.lists(st.tuples(*([st.integers(0, 50)] * 4)), min_size=1, max_size=10))
def test_evidence_is_the_same_after_json(counts):
    observed = Observed.begin(PLAN, (10,))
    faults, times, others, others_times = 0, 0, 0, 0
    for one in counts:
        faults, times, others, others_times = (
            total + more
            for total, more in zip((faults, times, others, others_times), one, strict=True)
        )
        observed = _after(observed, _read((faults, (times, 0)), (others, (others_times, 3))))

    assert Observed.from_json(json.loads(json.dumps(observed.to_json()))) == observed


def test_evidence_of_another_form_is_refused():
    with pytest.raises(ValueError, match="guards"):
        Observed.from_json({"since": {}})
