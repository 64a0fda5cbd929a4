"""The checker of the chaos tests."""

import math

import pytest

from benchmarks.swap_record import Move, Reply
from tests.hosts.record import AnsweredMove, Outage, Permission, Record, Use, Verdict, judge, report

ANSWERS = {"iris": {1: 100.0, 2: 200.0}}
MOVES = [
    AnsweredMove("iris", move, host=1, attempts=1)
    for move in (Move(0, 1, 1), Move(30, 31, 2), Move(60, 64, 1))
]
LEASE = 3.0


def reply(start: float, version: int, status: int = 200) -> Reply:
    return Reply(
        client=0,
        start=start,
        end=start + 0.1,
        status=status,
        version=version,
        header_version=version,
        prediction=ANSWERS["iris"].get(version),
    )


def judged(
    *replies: Reply, host: int = 2, outages: tuple[Outage, ...] = (), uses: tuple[Use, ...] = ()
) -> Verdict:
    record = Record(
        replies={(host, "iris"): replies},
        answers=ANSWERS,
        moves=MOVES,
        outages=outages,
        uses=uses,
        lease=LEASE,
    )
    return judge(record)


def test_a_host_that_answers_by_what_held_before_an_answered_move_is_stale() -> None:
    late = reply(31.1, 1)

    verdict = judged(reply(2, 1), late)

    assert verdict.stale == [(2, late)]
    assert not verdict.clean


def test_an_outage_excuses_no_stale_reply() -> None:
    verdict = judged(reply(31.1, 1), outages=(Outage(2, "stopped", 20, 40),))

    assert len(verdict.stale) == 1


@pytest.mark.parametrize(
    ("outage", "excused"),
    [
        (Outage(2, "killed", 4, 6), True),
        (Outage(2, "killed", 6, 7), False),
        (Outage(2, "killed", 0.5, 1.5), False),
        (Outage(3, "killed", 4, 6), False),
    ],
)
def test_a_failed_reply_is_excused_by_an_outage_of_its_own_host_at_its_time(
    outage: Outage, excused: bool
) -> None:
    verdict = judged(reply(5, 0, status=503), outages=(outage,))

    assert verdict.clean == excused
    assert verdict.failed == ({"killed": 1} if excused else {})


def test_a_host_may_fail_for_a_lease_after_an_outage() -> None:
    verdict = judged(reply(5, 0, status=503), outages=(Outage(2, "no route", 1, 2.5),))

    assert verdict.clean
    assert verdict.failed == {"after no route": 1}


def test_a_request_by_a_permission_that_had_ended_is_late() -> None:
    permission = Permission("/models/iris/1/predict", "token", ended=5.0)
    late = Use(1, permission, 5.1, 5.2, 200)
    timely = (Use(1, permission, 4.9, 5.2, 200), Use(2, permission, 5.1, 5.2, 401))

    verdict = judged(uses=(*timely, late))

    assert verdict.late == [late]
    assert (verdict.uses, verdict.ended, verdict.clean) == (3, 1, False)
    assert judged(uses=(Use(1, Permission("", ""), math.inf, math.inf, 200),)).clean


def test_a_request_by_an_alias_that_was_deleted_is_late_until_the_alias_is_made_again() -> None:
    permission = Permission("/models/iris/candidate/predict", "token", ended=5.0, again=6.0)
    late = Use(1, permission, 5.1, 5.9, 200)

    verdict = judged(uses=(late, Use(1, permission, 5.1, 6.1, 200), Use(1, permission, 7, 8, 200)))

    assert verdict.late == [late]


def test_promotions_are_timed_apart_where_another_host_was_lost() -> None:
    verdict = judged(outages=(Outage(3, "cut", 62, 63),))

    assert (list(verdict.well), list(verdict.lost)) == ([1, 1], [4])


def test_neither_time_counts_a_promotion_whose_own_host_was_disturbed() -> None:
    verdict = judged(outages=(Outage(1, "cut", 62, 63),))

    assert (list(verdict.well), list(verdict.lost)) == ([1, 1], [])


def test_the_report_shows_the_first_wrong_replies() -> None:
    said = report(judged(reply(31.1, 1), reply(5, 0, status=503)))

    assert "stale            1" in said
    assert "failed           1 at hosts that were well" in said
    assert "stale: host 2, Reply(" in said
