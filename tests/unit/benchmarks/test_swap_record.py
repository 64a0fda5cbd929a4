"""The checker of the swap test: what it does not see, the test does not prove."""

from benchmarks.swap_record import Move, Reply, check, near_a_move, quantile, unexplained

ANSWERS = {1: 100.0, 2: 200.0}
MOVES = [Move(0, 1, 1), Move(10, 11, 2), Move(20, 21, 1)]


def reply(start: float, end: float, version: int, **more: object) -> Reply:
    told = {"status": 200, "header_version": version, "prediction": ANSWERS[version], "client": 0}
    return Reply(start=start, end=end, version=version, **{**told, **more})


def test_replies_by_the_version_of_their_time_are_clean() -> None:
    good = [reply(2, 3, 1), reply(9.5, 10.5, 1), reply(12, 13, 2), reply(22, 23, 1)]

    assert check(good, MOVES, ANSWERS).clean


def test_while_a_move_is_under_way_either_version_may_answer() -> None:
    either = [reply(10.2, 10.8, 1), reply(10.2, 10.8, 2, client=1)]

    assert check(either, MOVES, ANSWERS).clean


def test_the_old_version_after_the_move_was_answered_is_stale() -> None:
    late = reply(11.1, 11.2, 1)

    assert check([late], MOVES, ANSWERS).stale == [late]


def test_the_new_version_before_the_move_was_asked_for_is_stale_too() -> None:
    early = reply(8, 9.9, 2)

    assert check([early], MOVES, ANSWERS).stale == [early]


def test_an_answer_of_one_version_under_the_number_of_another_is_torn() -> None:
    mixed = [reply(2, 3, 1, prediction=200.0), reply(2, 3, 1, header_version=2)]

    assert check(mixed, MOVES, ANSWERS).torn == mixed


def test_a_client_that_sees_the_new_version_and_then_the_old_one_went_backwards() -> None:
    forth, back = reply(10.1, 10.2, 2), reply(10.3, 10.4, 1)

    assert check([forth, back], MOVES, ANSWERS).backwards == [back]
    assert check([forth, reply(10.3, 10.4, 1, client=1)], MOVES, ANSWERS).clean


def test_whatever_is_not_200_has_failed() -> None:
    broken = reply(2, 3, 1, status=0)

    assert check([broken], MOVES, ANSWERS).failed == [broken]


def test_replies_near_a_move_are_those_under_way_close_to_its_end() -> None:
    before, across, after = reply(10.8, 10.94, 1), reply(10.9, 11.2, 2), reply(11.06, 11.2, 2)

    assert near_a_move([before, across, after], MOVES, 0.05) == [across]


def test_a_quantile_is_one_of_the_values() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([1.0], 0.99) == 1.0


def test_a_connection_that_broke_is_explained_only_by_a_kill_at_its_time() -> None:
    during, before, long_before = reply(2, 4, 1), reply(5.05, 5.06, 1), reply(9, 9.1, 1)

    assert unexplained([during, before, long_before], [3.0, 5.0, 8.0]) == [long_before]
