"""Runs scenarios, completely or interrupted, and checks what remains."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.power import Disk, fingerprint, restore
from tests.faults.restart import State
from tests.faults.scenarios import SCENARIOS
from tests.faults.strace import Call, Strace, read_calls
from tests.memory import in_memory

ROOT = Path(__file__).resolve().parents[2]
_ANSWER = "pipe:"
_OPENS_TO_CHANGE = {"O_CREAT", "O_TRUNC"}


class Worker:
    """The process of ``worker.py``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", "tests.faults.worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # The same calls in the same order in every child.
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)},
        )

    def ask(self, do: str, **order: Any) -> Any:
        """What the worker answers. Raises RuntimeError where it has died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the worker has ended")
        answer = json.loads(line)
        for said in answer.get("said", ()):
            if isinstance(said, dict) and "broke" in said:
                raise RuntimeError(f"{do} {order}: {said['broke']}")
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass
class Run:
    """The result of one run of an operation: the signal that ended it, and what it reported."""

    signal: int
    said: list[Any]
    calls: list[Call]

    @property
    def acknowledged(self) -> bool:
        return "done" in self.said


@dataclass
class Recorded:
    """A scenario that ran to its end: its calls, and the states before and after it."""

    calls: list[Call]
    before: State
    after: State
    announced: int
    collects: bool
    answered: int
    """The index of the call that acknowledges."""

    @property
    def points(self) -> list[int]:
        """The indices of the calls that change something, the acknowledgement among them."""
        return [index for index, call in enumerate(self.calls) if changes(call)]


@dataclass
class Figures:
    """The tried points and their results."""

    points: int = 0
    happened: int = 0
    acknowledged: int = 0
    violations: list[str] = field(default_factory=list)

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.points + other.points,
            self.happened + other.happened,
            self.acknowledged + other.acknowledged,
            self.violations + other.violations,
        )


def changes(call: Call) -> bool:
    """Whether the call may change what is on the disk, or acknowledges a change."""
    if call.name == "openat":
        return bool(call.flags & _OPENS_TO_CHANGE)
    if call.name == "flock":
        return call.paths[0].endswith("run/counter")
    return True


class Bench:
    """Folders in memory, a worker, and the scenarios' beginnings, each made once."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hotswap-faults-", dir=in_memory()))
        self.worker = Worker()
        self._recorded: dict[tuple[str, str], Recorded] = {}

    def close(self) -> None:
        self.worker.close()
        shutil.rmtree(self.folder)

    def beginning(self, scenario: str) -> Path:
        """The data directory that the scenario begins with. Not to be changed."""
        wanted = SCENARIOS[scenario]
        data = self.folder / f"{wanted.beginning}-{wanted.journal}"
        if not data.exists():
            self.worker.ask("begin", scenario=scenario, data=str(data))
        return data

    def copy(self, scenario: str) -> Path:
        """A copy of the scenario's beginning, to work on."""
        data = self.folder / "work"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(self.beginning(scenario), data)
        return data

    def run(
        self,
        scenario: str,
        data: Path,
        *,
        mutant: str = "none",
        inject: tuple[str, ...] = (),
        keep_data: bool = False,
    ) -> Run:
        """Run the scenario's operation on ``data`` in a process of its own, under strace."""
        order = {"scenario": scenario, "data": str(data), "mutant": mutant}
        return self._traced("act", order, inject, keep_data=keep_data)

    def step(self, data: Path, call: str, arguments: dict[str, Any], kill_at: str) -> Run:
        """Call a method of the registry in ``data``, in a process that is killed as it enters the
        system call ``kill_at`` (its name and its ordinal), if it gets there."""
        name, _, nth = kill_at.partition("#")
        order = {"data": str(data), "call": call, "arguments": arguments}
        return self._traced("step", order, (f"{name}:signal=KILL:when={nth}",))

    def _traced(
        self, do: str, order: dict[str, Any], inject: tuple[str, ...], *, keep_data: bool = False
    ) -> Run:
        started = self.worker.ask(do, **order)
        log = self.folder / "calls"
        with Strace(log, [started["pid"]], inject, data=keep_data):
            ended = self.worker.ask("go", pid=started["pid"])
        status = ended["status"]
        return Run(os.WTERMSIG(status), ended["said"], read_calls(log))

    def look(self, scenario: str, data: Path, *, go_on: bool = False) -> Any:
        """What a restart on ``data`` finds."""
        return self.worker.ask("look", scenario=scenario, data=str(data), go_on=go_on)["said"][0]

    def record(self, scenario: str, mutant: str = "none") -> Recorded:
        """Run the scenario to its end and keep every call that it made."""
        if (scenario, mutant) not in self._recorded:
            before = self.look(scenario, self.copy(scenario))
            data = self.copy(scenario)
            run = self.run(scenario, data, mutant=mutant, keep_data=True)
            assert run.said == ["done", {"attempts": ["done"]}]
            after = self.look(scenario, data)
            assert before["faults"] == after["faults"] == []
            answers = [
                index
                for index, call in enumerate(run.calls)
                if call.name == "write" and call.paths[0].startswith(_ANSWER)
            ]
            self._recorded[scenario, mutant] = Recorded(
                calls=run.calls,
                before=before["state"],
                after=after["state"],
                announced=before["announced"],
                collects=bool(before["unused"]) and not after["unused"],
                answered=answers[0],
            )
        return self._recorded[scenario, mutant]

    def kill_at(self, scenario: str, index: int, mutant: str = "none") -> Figures:
        """Kill the operation as it enters the call with that index, and look what is left."""
        recorded = self.record(scenario, mutant)
        point = recorded.calls[index]
        data = self.copy(scenario)
        run = self.run(
            scenario, data, mutant=mutant, inject=(f"{point.name}:signal=KILL:when={point.nth}",)
        )
        last = run.calls[-1] if run.calls else None
        happened = (
            run.signal == signal.SIGKILL
            and last is not None
            and (last.name, last.nth, last.result) == (point.name, point.nth, "?")
        )
        found = self.look(scenario, data, go_on=True)
        where = f"{scenario} killed at {point}"
        faults = faults_after(recorded, found, acknowledged=run.acknowledged)
        if found["announced"] > recorded.announced and found["state"] == recorded.before:
            faults.append("a change was announced that was not committed")
        if run.acknowledged and recorded.collects and found["unused"]:
            faults.append("what was acknowledged as removed is there")
        faults += judge_what_follows(scenario, recorded, found)
        if not happened:
            faults.append(f"the kill did not happen: {last}")
        return Figures(
            1, int(happened), int(run.acknowledged), [f"{where}: {fault}" for fault in faults]
        )

    def fail_at(self, scenario: str, index: int, error: str) -> Figures:
        """Let the call with that index fail; the operation is then tried again."""
        recorded = self.record(scenario)
        point = recorded.calls[index]
        data = self.copy(scenario)
        run = self.run(scenario, data, inject=(f"{point.name}:error={error}:when={point.nth}",))
        happened = any(call.injected and call.nth == point.nth for call in run.calls)
        found = self.look(scenario, data)
        faults = judge_answers(run.said)
        if SCENARIOS[scenario].again:
            faults += faults_after(recorded, found, acknowledged=run.acknowledged)
        else:
            # The fault may have come after the commit; the second try, without a key, did it twice.
            faults += found["faults"]
        where = f"{scenario}, {error} at {point}"
        return Figures(
            1,
            int(happened),
            int(run.said[-1]["attempts"][0] == "done"),
            [f"{where}: {fault}" for fault in faults],
        )

    def cut_power(
        self,
        scenario: str,
        mutant: str = "none",
        *,
        random_states: int,
        every: int = 1,
        seed: int = 0,
    ) -> Figures:
        """Let the power go after each call, ``every`` so many, with ``random_states`` more of what
        may stand on the disk then than its two extremes; look what a restart finds."""
        recorded = self.record(scenario, mutant)
        root, cut = self.copy(scenario), self.folder / "cut"
        disk, draws, seen = Disk(root), random.Random(seed), set()
        figures = Figures()
        for index, call in enumerate(recorded.calls):
            disk.apply(call)
            acknowledged = index >= recorded.answered
            if index % every and index != recorded.answered:
                continue
            for state in disk.states(draws, random_states):
                if (known := (fingerprint(state), acknowledged)) in seen:
                    continue
                seen.add(known)
                shutil.rmtree(cut, ignore_errors=True)
                restore(state, root, cut)
                # Workers start after the power is back, and the counter with them.
                shutil.copytree(self.beginning(scenario) / "run", cut / "run")
                faults = faults_after(recorded, self.look(scenario, cut), acknowledged=acknowledged)
                where = f"{scenario}, power cut after {call}"
                violations = [f"{where}: {fault}" for fault in faults]
                figures += Figures(1, 1, int(acknowledged), violations)
        return figures


def faults_after(recorded: Recorded, found: Any, *, acknowledged: bool) -> list[str]:
    """What is wrong with the state that a restart found."""
    faults = list(found["faults"])
    if found["state"] not in (recorded.before, recorded.after):
        faults.append(f"neither absent nor complete: {found['state']}")
    if acknowledged and found["state"] != recorded.after:
        faults.append("what was acknowledged is not there")
    return faults


def judge_answers(said: list[Any]) -> list[str]:
    """What is wrong with what an operation said while the disk failed, and afterwards."""
    report: dict[str, Any] = {}
    for one in said:
        report.update(one if isinstance(one, dict) else {})
    first, *second = report["attempts"]
    if first == "done":
        return []
    faults = [] if first[1] in {503, 507} else [f"answered with {first}"]
    if second[0] != "done" and second[0][1] != 409:
        faults.append(f"did not recover: {first}, {second}")
    if report["left"]:
        faults.append(f"left {report['left']}")
    return faults


def judge_what_follows(scenario: str, recorded: Recorded, found: Any) -> list[str]:
    """What is wrong with the repeated operation, and with others after it."""
    faults = list(found["faults_later"])
    if found.get("unused_later"):
        faults.append("bytes were left that a collection does not remove")
    if SCENARIOS[scenario].again and found.get("state_again") != recorded.after:
        faults.append(f"a repeat did not lead to the same: {found.get('conflict')}")
    if found["state"] == recorded.after and "k" in recorded.after["keys"] and not found["replayed"]:
        faults.append("a repeat with the same key was not answered as before")
    if "k" in recorded.after["keys"] and found["announced_again"] == recorded.announced:
        faults.append("a repeat was answered before the change was announced")
    return faults


def over(benches: list[Bench], jobs: list[Any], work: Any) -> Figures:
    """``work(bench, job)`` for all ``jobs``, one at a time on each bench; the figures added up."""
    free = list(benches)

    def one(job: Any) -> Figures:
        bench = free.pop()
        try:
            return work(bench, job)
        finally:
            free.append(bench)

    with ThreadPoolExecutor(len(benches)) as threads:
        return sum(threads.map(one, jobs), Figures())
