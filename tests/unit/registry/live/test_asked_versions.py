"""Versions are loaded for other hosts beside the beats of this one."""

import threading
from contextlib import nullcontext

from registry.hosts.store import Asked, Presence
from registry.live.asked_versions import AskedVersions
from tests.threads import no_threads

ASKED = [Asked(7, "house", 3)]


class Answers:
    """Keeps what a host answers, as its promoter finds it."""

    def __init__(self):
        self.faults = []
        self.changed = threading.Semaphore(0)

    def answer(self, promotion, _me, fault):
        assert promotion == 7
        self.faults.append(fault)
        self.changed.release()


def test_a_host_that_can_start_no_thread_says_so_and_loads_the_version_when_it_can():
    answers = Answers()
    me = Presence("two", 2, "1.0", 2)
    load = lambda *_: nullcontext()  # noqa: E731 - nothing is loaded
    versions = AskedVersions(answers, me, counter=None, watch=None, load=load)

    with no_threads():
        versions.prepare(ASKED)
    assert answers.faults == ["It can start no thread at present."]

    versions.prepare(ASKED)
    assert answers.changed.acquire(timeout=10)
    assert answers.changed.acquire(timeout=10)
    assert answers.faults[1:] == [None]
    versions.release(frozenset())
