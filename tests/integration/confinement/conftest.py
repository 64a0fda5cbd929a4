"""Confined processes that try things."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from registry.confinement.channel import Deadline, receive, send
from registry.confinement.limits import Limits
from registry.confinement.spawner import Confined, Spawner

ATTEMPTS = "tests.integration.confinement.attempts"
Attempt = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def spawner() -> Iterator[Spawner]:
    """Confines as far as this machine can; the tests hold for one that can do all."""
    spawner = Spawner([ATTEMPTS])
    if missing := spawner.missing():
        spawner.close()
        pytest.skip(f"this machine cannot confine fully: {' '.join(missing)}")
    yield spawner
    spawner.close()


def begin(
    spawner: Spawner, attempt: str, *arguments: Any, limits: Limits | None = None
) -> Confined:
    """A confined process that makes ``attempt``; its answer is still to be received."""
    process = spawner.spawn(f"{ATTEMPTS}:answer", limits or Limits(cpu_seconds=10))
    asked = {"attempt": attempt, "arguments": arguments}
    process.send(Deadline(10), json.dumps(asked).encode())
    return process


def reported(process: Confined, seconds: float = 20) -> dict[str, Any]:
    """What came of the attempt; ``ended`` says how, where the process did not live to tell."""
    said = process.receive(10**6, Deadline(seconds))
    if said is None:
        return {"succeeded": False, "ended": process.ended()}
    answer: dict[str, Any] = json.loads(said)
    return answer


def refused(answer: dict[str, Any]) -> bool:
    """Whether the attempt was stopped, and not by a mistake in the test."""
    assert not answer["succeeded"], answer
    said = answer["error"]
    known = (
        "PermissionError",
        "FileNotFoundError",
        "OSError",
        "MemoryError",
        "RuntimeError: can't",
    )
    return said.startswith((*known, "ValueError: not allowed to raise maximum limit"))


@pytest.fixture
def attempt(spawner: Spawner) -> Attempt:
    """Makes an attempt in a confined process and returns what came of it."""

    def attempt(name: str, *arguments: Any, limits: Limits | None = None) -> dict[str, Any]:
        with begin(spawner, name, *arguments, limits=limits) as process:
            return reported(process)

    return attempt


@pytest.fixture
def unconfined() -> Attempt:
    """Makes an attempt in a process that nothing confines."""
    program = (
        "import sys; from registry.confinement.channel import Channel;"
        f"from {ATTEMPTS} import answer; answer(Channel(int(sys.argv[1])), [])"
    )

    def attempt(name: str, *arguments: Any) -> dict[str, Any]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            command = [sys.executable, "-c", program, str(theirs.fileno())]
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
            theirs.close()
            asked = json.dumps({"attempt": name, "arguments": arguments}).encode()
            send(ours, Deadline(10), asked)
            said = receive(ours, 10**6, Deadline(20))
            ours.close()
            process.wait(10)
        answer: dict[str, Any] = json.loads(said or b"{}")
        return answer

    return attempt
