"""A process dies between the commit of a change and its answer; the client repeats the request."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.simulated_hosts import SimulatedHost
from registry.hosts.driving import complete
from registry.hosts.protocol import WAIT
from tests.integration.hosts.changing import SECOND, promoter

ROOT = Path(__file__).parents[3]
CALLS = "connect,sendto,recvfrom,poll"

pytestmark = pytest.mark.usefixtures("traced")


def joined(store):
    """A host that beats only when a test lets it."""
    host = SimulatedHost(store, "one", lease=60.0)
    host.beat()
    return host


def change(url, log, *inject):
    """Run the process under strace; whether it answered."""
    command = ["strace", "-qq", "-s", "9999", "-o", str(log), "-e", f"trace={CALLS},write", *inject]
    ended = subprocess.run(
        [*command, sys.executable, "-m", "tests.integration.hosts.changing", url],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return ended.stdout == b"answered"


def points(log):
    """The calls between the one that sends the commit and the answer."""
    seen, found, written, committed = Counter(), [], False, False
    for line in log.read_text().splitlines():
        call = re.match(r"(\w+)\(", line)
        if call is None:
            continue
        seen[call[1]] += 1
        if "answered" in line:
            return found
        if committed and call[1] != "write":
            found.append(f"{call[1]}:signal=KILL:when={seen[call[1]]}")
        written = written or "INSERT INTO history" in line
        committed = committed or (written and "COMMIT" in line)
    raise AssertionError("the process did not answer")


def check_repeated(store, host):
    """The repeated request of the change is answered when the host has noticed it."""
    steps = promoter(store).confirm(30 * SECOND)
    assert WAIT in iter(lambda: next(steps), None)
    counter = host.workers.counter
    host.beat()
    assert complete(steps) == ()
    assert host.workers.counter == counter + 1


def kill_at(point, url, store, host, log):
    """Whether the change was committed: on a busy machine other calls come before the commit, and
    the process may have been killed earlier than it would have been in the first run."""
    host.beat()
    head = store.head()
    answered = change(url, log, "-e", f"inject={point}")
    assert not answered
    if store.head() == head:
        return False
    assert store.head() == head + 1
    check_repeated(store, host)
    return True


def test_a_change_whose_process_was_killed_holds_when_its_repetition_is_answered(
    database_url, store, tmp_path
):
    log = tmp_path / "log"
    assert change(database_url, log)
    found = points(log)

    assert kill_at(found[len(found) // 2], database_url, store, joined(store), log)


@pytest.mark.slow
def test_it_holds_wherever_the_process_was_killed_after_its_commit(database_url, store, tmp_path):
    log = tmp_path / "log"
    assert change(database_url, log)
    found = points(log)
    host = joined(store)

    assert len(found) > 20
    committed = [kill_at(point, database_url, store, host, log) for point in found[::4]]
    assert committed.count(True) > len(committed) // 2
