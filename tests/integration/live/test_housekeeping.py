"""Tasks that look after the data directory are done by one process, and tried again."""

from registry.errors import DatabaseBusy
from registry.live.housekeeping import Housekeeping
from registry.storage.election import Election


def test_one_process_does_the_tasks_and_another_one_after_it_has_ended(tmp_path):
    done = []
    first, second = (
        Housekeeping({"work": lambda _, name=name: done.append(name)}, Election(tmp_path / "lock"))
        for name in ("first", "second")
    )
    for one in (first, second, first):
        one.look()
    assert done == ["first", "first"]

    first.close()
    second.look()

    assert done[2:] == ["second"]
    second.close()


def test_a_task_that_fails_is_logged_tried_again_and_keeps_no_other_from_being_done(
    tmp_path, caplog
):
    calls = []

    def fail(pause):
        calls.append(pause())
        raise DatabaseBusy

    tasks = {"measuring": fail, "counting": lambda pause: calls.append("counted")}
    housekeeping = Housekeeping(tasks, Election(tmp_path / "lock"))
    housekeeping.look()
    housekeeping.look()
    housekeeping.close()

    assert calls == [True, "counted", True, "counted"]
    assert caplog.text.count("measuring failed, and is tried again") == 2


def test_closing_ends_a_task_that_is_under_way(tmp_path):
    went_on = []
    housekeeping = Housekeeping(
        {"work": lambda pause: went_on.append(pause())}, Election(tmp_path / "lock")
    )

    housekeeping.close()
    housekeeping.look()

    assert went_on == [False]
