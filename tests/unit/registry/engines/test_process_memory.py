"""Which model processes of a worker are ended when together they hold too much memory."""

import gc

from registry.engines.process_memory import ProcessMemory


class Process:
    """Ends on request unless it is busy, and reports to the budget as a real one does."""

    def __init__(self, memory, *, answering=False):
        self.memory = memory
        self.answering = answering
        self.ended = False

    def end_if_idle(self):
        if self.answering:
            return False
        self.ended = True
        self.memory.forget(self)
        return True


def processes(memory, count):
    return [Process(memory) for _ in range(count)]


def test_processes_within_the_limit_keep_running():
    memory = ProcessMemory(each=100, together=100)
    first, second = processes(memory, 2)

    memory.count(first, 50)
    memory.count(second, 50)

    assert not first.ended
    assert not second.ended


def test_the_least_recently_used_processes_end_first():
    memory = ProcessMemory(each=100, together=100)
    first, second, third = processes(memory, 3)
    for process in (first, second):
        memory.count(process, 40)
    memory.count(first, 40)

    memory.count(third, 40)

    assert [first.ended, second.ended, third.ended] == [False, True, False]


def test_a_busy_process_is_not_ended():
    memory = ProcessMemory(each=100, together=100)
    answering = Process(memory, answering=True)
    idle, used = processes(memory, 2)
    for process in (answering, idle):
        memory.count(process, 40)

    memory.count(used, 40)

    assert [answering.ended, idle.ended, used.ended] == [False, True, False]


def test_the_process_just_used_is_not_ended_for_its_own_memory():
    memory = ProcessMemory(each=200, together=100)
    (process,) = processes(memory, 1)

    memory.count(process, 150)

    assert not process.ended


def test_a_process_counts_once_with_its_current_memory():
    memory = ProcessMemory(each=100, together=100)
    first, second = processes(memory, 2)
    memory.count(second, 10)
    for held in (60, 90, 60):
        memory.count(first, held)

    assert not second.ended
    memory.count(first, 95)
    assert second.ended


def test_ended_processes_do_not_count():
    memory = ProcessMemory(each=100, together=100)
    ended, dropped, idle, used = processes(memory, 4)
    for process in (ended, dropped):
        memory.count(process, 40)
    memory.forget(ended)
    del dropped, process
    gc.collect()

    memory.count(idle, 50)
    memory.count(used, 50)

    assert not idle.ended
