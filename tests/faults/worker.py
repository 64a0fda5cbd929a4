"""A process that has imported the registry once and forks a child for each thing it is asked.

It reads commands from stdin, a JSON object a line, and answers each with one:

    {"do": "begin", …}      make a scenario's beginning in the folder "data"
    {"do": "act", …}        answer {"pid": …} of a child that waits to act; then on the line "go"
                            let it, and answer how it ended and what it acknowledged
    {"do": "step", …}       as "act", with the "call" of a registry and its "arguments"
    {"do": "look", …}       restart on "data" and answer what is there

An operation is acknowledged by a line on a pipe, written after the operation has returned.
"""

import ctypes
import gc
import json
import operator
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.problems import status_of
from registry.errors import Conflict, RegistryError
from registry.operations.results import OperationResult
from tests.faults.mutants import PARTS
from tests.faults.registries import BEGINNINGS, Registry, open_registry, use_journal
from tests.faults.restart import announced, faults_of, restart, state_of, unused_blobs
from tests.faults.scenarios import SCENARIOS

_ANY_TRACER = (0x59616D61, -1)  # PR_SET_PTRACER, PR_SET_PTRACER_ANY: prctl(2)

_READY = b'"ready"\n'

Say = Callable[[Any], None]


def begin(say: Say, order: dict[str, Any]) -> None:
    scenario = SCENARIOS[order["scenario"]]
    use_journal(scenario.journal)
    registry = open_registry(Path(order["data"]))
    BEGINNINGS[scenario.beginning](registry)
    if scenario.beginning != "long":
        registry.close()  # else the log stays behind, as after a crash
    say(None)


def act(say: Say, order: dict[str, Any]) -> None:
    scenario = SCENARIOS[order["scenario"]]
    use_journal(scenario.journal)
    database, blobs = PARTS[order["mutant"]]
    registry = open_registry(Path(order["data"]), database, blobs)
    if scenario.connected:
        state_of(registry)
    say("ready")
    sys.stdin.readline()
    incoming = registry.blobs.root / "incoming"
    before = set(incoming.glob("*"))
    attempts = [_attempt(scenario.act, registry, say)]
    if attempts[0] != "done":
        left = [path.name for path in set(incoming.glob("*")) - before]
        attempts.append(_attempt(scenario.act, registry, say))
        say({"left": left})
    registry.close()
    say({"attempts": attempts})


def step(say: Say, order: dict[str, Any]) -> None:
    registry = open_registry(Path(order["data"]))
    say("ready")
    sys.stdin.readline()
    call = operator.methodcaller(order["call"], **order["arguments"])
    say({"attempts": [_attempt(call, registry, say)]})
    registry.close()


def _attempt(act: Callable[[Registry], object], registry: Registry, say: Say) -> Any:
    """``done``, or what went wrong as the API would answer it."""
    try:
        act(registry)
    except RegistryError as error:
        return [type(error).__name__, status_of(type(error))]
    except Exception as error:  # noqa: BLE001 - what would be a bare 500 is the test's to judge
        return [f"{type(error).__name__}: {error}", 500]
    say("done")
    return "done"


def look(say: Say, order: dict[str, Any]) -> None:
    """The state after a restart, what is wrong with it, and whether work goes on from there."""
    scenario = SCENARIOS[order["scenario"]]
    use_journal(scenario.journal)
    data = Path(order["data"])
    moved = announced(data)
    registry = open_registry(data)
    found: dict[str, Any] = {"announced": moved, "state": None}
    try:
        restart(registry)
        found.update(state=state_of(registry), faults=faults_of(registry))
        found["unused"] = unused_blobs(registry)
    except (RegistryError, SQLAlchemyError) as error:
        say({**found, "faults": [f"the restart failed: {error}"], "faults_later": []})
        return
    if order["go_on"]:
        try:
            outcome = scenario.act(registry)
            found["replayed"] = isinstance(outcome, OperationResult) and outcome.replayed
        except Conflict as error:
            found["conflict"] = str(error)
        found["announced_again"] = announced(data)
        found["state_again"] = state_of(registry)
        registry.upload("yard", b"something else")
        registry.promote(1, model="yard")
        registry.collect()
        found["faults_later"] = faults_of(registry)
        found["unused_later"] = unused_blobs(registry)
    registry.close()
    say(found)


def warm_up() -> None:
    """Have everything imported and the mappers configured, once for all children."""
    with tempfile.TemporaryDirectory() as folder:
        registry = open_registry(Path(folder))
        BEGINNINGS["used"](registry)
        restart(registry)
        state_of(registry)
        faults_of(registry)
        registry.rollback()
        registry.close()
    gc.freeze()


def main() -> None:
    warm_up()
    children: dict[int, tuple[int, int]] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "go":
            pid = order["pid"]
            answer = _finish(pid, *children.pop(pid))
        else:
            pid, go, said = _fork(order)
            if order["do"] in {"act", "step"}:
                # What it does before it waits is not to be seen by whoever traces it.
                assert os.read(said, len(_READY)) == _READY
                children[pid] = (go, said)
                answer = {"pid": pid}
            else:
                answer = _finish(pid, go, said)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _fork(order: dict[str, Any]) -> tuple[int, int, int]:
    """The child's id, the end of a pipe that lets it go on, and the end where it speaks."""
    go_read, go_write = os.pipe()
    said_read, said_write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(go_read)
        os.close(said_write)
        return pid, go_write, said_read
    os.close(go_write)
    os.close(said_read)
    ctypes.CDLL(None).prctl(*_ANY_TRACER, 0, 0, 0)
    sys.stdin = os.fdopen(go_read)

    def say(what: Any) -> None:
        os.write(said_write, json.dumps(what).encode() + b"\n")

    status = 1
    try:
        {"begin": begin, "act": act, "step": step, "look": look}[order["do"]](say, order)
        status = 0
    except BaseException as error:  # noqa: BLE001 - told to the parent, which fails the test
        say({"broke": f"{type(error).__name__}: {error}"})
    finally:
        os._exit(status)  # nothing of the parent's is to be flushed or closed twice


def _finish(pid: int, go: int, said: int) -> dict[str, Any]:
    os.write(go, b"go\n")
    with os.fdopen(said, "rb") as stream:
        lines = stream.read().splitlines()
    _, status = os.waitpid(pid, 0)
    os.close(go)
    return {"status": status, "said": [json.loads(line) for line in lines]}


if __name__ == "__main__":
    main()
