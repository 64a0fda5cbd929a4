"""The checker of the swap test."""

from benchmarks.swap_record import Move, Reply, check, near_a_move, quantile, unexplained

ANSWERS = {1: 100.0, 2: 200.0}
MOVES = [Move(0, 1, 1), Move(10, 11, 2), Move(20, 21, 1)]


def reply(start: float, end: float, version: int, **more: object) -> Reply:
    reported = {
        "status": 200,
        "header_version": version,
        "prediction": ANSWERS[version],
        "client": 0,
    }
    return Reply(start=start, end=end, version=version, **{**reported, **more})


def test_replies_of_the_current_version_are_correct() -> None:
    good = [reply(2, 3, 1), reply(9.5, 10.5, 1), reply(12, 13, 2), reply(22, 23, 1)]

    assert check(good, MOVES, ANSWERS).clean


def test_during_a_move_either_version_is_correct() -> None:
    either = [reply(10.2, 10.8, 1), reply(10.2, 10.8, 2, client=1)]

    assert check(either, MOVES, ANSWERS).clean


def test_the_old_version_after_a_finished_move_is_stale() -> None:
    late = reply(11.1, 11.2, 1)

    assert check([late], MOVES, ANSWERS).stale == [late]


def test_the_new_version_before_a_move_was_requested_is_stale() -> None:
    early = reply(8, 9.9, 2)

    assert check([early], MOVES, ANSWERS).stale == [early]


def test_a_prediction_of_one_version_with_another_number_is_torn() -> None:
    mixed = [reply(2, 3, 1, prediction=200.0), reply(2, 3, 1, header_version=2)]

    assert check(mixed, MOVES, ANSWERS).torn == mixed


def test_the_old_version_after_the_new_one_for_one_client_is_backwards() -> None:
    forth, back = reply(10.1, 10.2, 2), reply(10.3, 10.4, 1)

    assert check([forth, back], MOVES, ANSWERS).backwards == [back]
    assert check([forth, reply(10.3, 10.4, 1, client=1)], MOVES, ANSWERS).clean


def test_any_status_except_200_is_a_failure() -> None:
    broken = reply(2, 3, 1, status=0)

    assert check([broken], MOVES, ANSWERS).failed == [broken]


def test_replies_near_a_move_are_those_in_progress_close_to_its_end() -> None:
    before, across, after = reply(10.8, 10.94, 1), reply(10.9, 11.2, 2), reply(11.06, 11.2, 2)

    assert near_a_move([before, across, after], MOVES, 0.05) == [across]


def test_a_quantile_is_one_of_the_values() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([1.0], 0.99) == 1.0


def test_a_broken_connection_is_explained_only_by_a_kill_at_that_time() -> None:
    during, before, long_before = reply(2, 4, 1), reply(5.05, 5.06, 1), reply(9, 9.1, 1)

    assert unexplained([during, before, long_before], [3.0, 5.0, 8.0]) == [long_before]
