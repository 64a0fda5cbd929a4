"""The registry has the expected state after random operations and interruptions."""

import shutil
import tempfile
from collections.abc import Iterator
from operator import methodcaller
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from registry.operations.results import OperationResult
from tests.faults.expected import Call, Expected
from tests.faults.harness import Bench
from tests.faults.registries import begin_fresh, open_registry
from tests.faults.restart import faults_of, restart, state_of, unused_blobs

MODELS = st.sampled_from(["house", "house", "house", "garden"])
NUMBERS = st.integers(1, 6)
ALIASES = st.sampled_from(["production", "production", "canary"])
KEYS = st.none() | st.integers(1, 20).map("k{}".format)
CONTENTS = st.sampled_from(["a model", "another", "a third"])
FOUR = st.permutations(range(1, 5))
"""Three versions that there are from the start, and a fourth."""
WEIGHTS = st.one_of(
    st.builds(lambda of, share: [[of[0], share], [of[1], 100 - share]], FOUR, st.integers(0, 100)),
    st.builds(
        lambda of, share: [[of[0], share // 2], [of[1], share - share // 2], [of[2], 100 - share]],
        FOUR,
        st.integers(0, 100),
    ),
)
VERBS = st.sampled_from(["pause", "resume", "abort", "finish"])
MOVES = {
    "running": ["advance", "promote", "hold", "roll_back"],
    "held": ["advance", "promote", "roll_back"],
    "paused": ["roll_back"],
    "baking": ["complete", "roll_back"],
}
"""What a keeper does with a rollout in each of the states in which it has not ended."""
TARGETS = st.none() | NUMBERS


def call(verb: str, /, **arguments: Any) -> st.SearchStrategy[Call]:
    return st.tuples(st.just(verb), st.fixed_dictionaries(arguments))


CALLS = st.one_of(
    call("upload", model=MODELS, content=CONTENTS, key=KEYS),
    call("promote", model=MODELS, number=NUMBERS, alias=ALIASES, key=KEYS),
    call("rollback", model=MODELS, to_version=TARGETS, alias=ALIASES, key=KEYS),
    call("split", model=MODELS, weights=WEIGHTS, alias=ALIASES, key=KEYS),
    call("end_split", model=MODELS, alias=ALIASES, key=KEYS),
    call("roll_out", model=MODELS, number=NUMBERS, alias=ALIASES, key=KEYS),
    call("steer", verb=VERBS, model=MODELS, alias=ALIASES, key=KEYS),
    call("archive", model=MODELS, number=NUMBERS),
    call("collect"),
)
KILLS = st.one_of(
    st.integers(1, 45).map("pwrite64#{}".format),
    st.integers(1, 10).map("fsync#{}".format),
    st.integers(1, 4).map("rename#{}".format),
    st.integers(1, 4).map("unlink#{}".format),
    st.integers(1, 4).map("write#{}".format),
    st.integers(1, 3).map("flock#{}".format),
)


class Machine(RuleBasedStateMachine):
    """Whatever is done to the registry is done to ``expected`` too, and then they are compared."""

    bench: Bench

    def __init__(self) -> None:
        super().__init__()
        self.data = Path(tempfile.mkdtemp(dir=self.bench.folder))
        self.registry = open_registry(self.data)
        begin_fresh(self.registry)
        self.expected = Expected()
        for content in ("first", "second", "third"):
            self.do(("upload", {"model": "house", "content": content, "key": None}))
        for number in (1, 2, 3):
            self.do(("promote", _move(number=number)))

    def teardown(self) -> None:
        self.registry.close()
        shutil.rmtree(self.data)

    @rule(call=CALLS)
    def do(self, call: Call) -> None:
        """The expected answer or the expected refusal."""
        after, refusal, answer = self.expected.after(call)
        act = methodcaller(call[0], **call[1])
        if refusal is not None:
            with pytest.raises(refusal) as raised:
                act(self.registry)
            assert raised.type is refusal
        elif isinstance(outcome := act(self.registry), OperationResult):
            assert outcome.view["version"] == answer
            assert outcome.replayed == (call[1].get("key") in self.expected.keys)
        self.expected = after

    @rule(model=MODELS, chance=st.integers(0, 9))
    def archive_model(self, model: str, chance: int) -> None:
        if chance == 9:  # rarely: it is the end of whatever might be done to that model
            self.do(("archive_model", {"model": model}))

    @precondition(lambda self: self.expected.active())
    @rule(data=st.data(), kill=st.none() | KILLS)
    def keep(self, data: st.DataObject, kill: str | None) -> None:
        """The keeper moves a rollout, and may be killed while it does."""
        rollout = data.draw(st.sampled_from(self.expected.active()))
        last = rollout.step > 0
        actions = [one for one in MOVES[rollout.state] if not (last and one == "advance")]
        action = data.draw(st.sampled_from(actions))
        move = {"action": action, "model": rollout.model, "alias": rollout.alias}
        if kill is None:
            self.do(("move", move))
        else:
            self.crash(("move", move), kill, alone=False)

    @precondition(lambda self: self.expected.keys)
    @rule(data=st.data(), kill=st.none() | KILLS)
    def repeat(self, data: st.DataObject, kill: str | None) -> None:
        """A caller that got no answer repeats the request with the same key."""
        key = data.draw(st.sampled_from(sorted(self.expected.keys)))
        known, _ = self.expected.keys[key]
        if kill is None:
            self.do(known)
        else:
            self.crash(known, kill, alone=False)

    @rule(call=CALLS, kill=KILLS, alone=st.booleans())
    def crash(self, call: Call, kill: str, *, alone: bool) -> None:
        """Another process does it and is killed on the way, beside this one or with it."""
        after, refusal, _ = self.expected.after(call)
        if alone:
            self.registry.close()
        run = self.bench.step(self.data, *call, kill)
        if alone:
            self.registry = open_registry(self.data)
            restart(self.registry)
        else:
            self.registry.blobs.sweep()
        found = _without_digests(state_of(self.registry))
        if run.acknowledged or (refusal is None and found == after.state()):
            self.expected = after

    @rule()
    def abandon(self) -> None:
        """A connection is closed in the middle of its transaction."""
        connection = self.registry.database.engine.raw_connection()
        driver = connection.driver_connection
        assert driver is not None
        driver.execute("BEGIN IMMEDIATE")
        driver.execute("UPDATE models SET last_number = last_number + 7")
        driver.execute("DELETE FROM aliases")
        connection.detach()
        driver.close()

    @rule()
    def start_again(self) -> None:
        self.registry.close()
        self.registry = open_registry(self.data)
        restart(self.registry)

    @rule()
    def collect_and_find_nothing_left(self) -> None:
        self.registry.collect()
        assert unused_blobs(self.registry) == []

    @invariant()
    def it_is_what_it_should_be(self) -> None:
        assert _without_digests(state_of(self.registry)) == self.expected.state()

    @invariant()
    def nothing_is_broken(self) -> None:
        assert faults_of(self.registry) == []


def _move(**given: Any) -> dict[str, Any]:
    return {"model": "house", "alias": "production", "key": None, **given}


def _without_digests(state: dict[str, Any]) -> dict[str, Any]:
    versions = {name: version[0] for name, version in state["versions"].items()}
    return {**state, "versions": versions}


@pytest.fixture
def machine(bench: Bench) -> Iterator[type[Machine]]:
    Machine.bench = bench
    yield Machine
    del Machine.bench


def test_the_registry_matches_its_model_after_any_operations(
    machine: type[Machine], long_faults: bool, tell: Any
) -> None:
    examples, steps = (100, 40) if long_faults else (2, 15)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            # What make test tries is the same each time; make test-faults goes on looking.
            derandomize=not long_faults,
            database=None,
            print_blob=long_faults,
            suppress_health_check=list(HealthCheck),
        ),
    )
    tell(f"state machine: {examples} runs of up to {steps} steps")
