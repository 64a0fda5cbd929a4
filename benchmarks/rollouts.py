"""Measures what splits and rollouts promise, and writes benchmarks/ROLLOUTS.md.

    python -m benchmarks.rollouts [--keys 1000000] [--changes 200] [--runs 200] [--failing 100]
                                  [--kills 50] [--only splits,changes,rollouts,simulated] [--write]

Starts the service with two workers. Which version answers a key is compared with a second
implementation of the rule, on each worker, after each was killed and after a restart. Then the
split of an alias is changed again and again under load. Rollouts of versions that fail end on the
real server, and one goes on while its keeper is killed again and again. Rollouts of versions that
are as good as the champion are simulated, with a look each second.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bucket_rule import Buckets
from benchmarks.rollout_errors import equal_versions, failing_canaries, no_traffic
from benchmarks.rollout_runs import failing_versions, killed_keeper
from benchmarks.service import TOKEN, Service, promote, running_service, upload
from benchmarks.split_changes import Changer, change_under_load, checked
from benchmarks.split_keys import (
    AT_EACH_WORKER,
    CANARY,
    CHAMPION,
    Checked,
    by_each_worker,
    grow,
    keys,
    overlap,
    put_split,
    salt_of,
    same,
    share,
    versions_of,
)
from benchmarks.swap import Target, constant_model

PORT = 8460
WORKERS = 2
CONNECTIONS = 8
RESPAWN_SECONDS = 120
RESULTS = Path(__file__).with_name("ROLLOUTS.md")
WEIGHT = 10
WEIGHTS = {CHAMPION: 100 - WEIGHT, CANARY: WEIGHT}


def main() -> int:
    """Print the figures; 0 if all are as they have to be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollouts")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--runs", type=int, default=200, help="simulated rollouts")
    parser.add_argument("--failing", type=int, default=100, help="rollouts of failing versions")
    parser.add_argument("--kills", type=int, default=50, help="of the keeper")
    parser.add_argument("--only", metavar="PARTS", help="of splits, changes, rollouts, simulated")
    parser.add_argument("--write", action="store_true", help=f"also write {RESULTS.name}")
    arguments = parser.parse_args()
    parts: dict[str, Callable[[], Iterator[Checked | str]]] = {
        "splits": lambda: splits(arguments.keys),
        "changes": lambda: changes(arguments.changes),
        "rollouts": lambda: rollouts(arguments.failing, arguments.kills),
        "simulated": lambda: simulated(arguments.runs),
    }
    lines, good = [_title_page()], True
    for name in arguments.only.split(",") if arguments.only else parts:
        for one in parts[name]():
            lines.append(one if isinstance(one, str) else one.row)
            good &= isinstance(one, str) or one.good
            print(lines[-1], flush=True)
    if arguments.write:
        RESULTS.write_text("\n".join([*lines, ""]))
    return 0 if good else 1


def splits(count: int) -> Iterator[Checked | str]:
    """Which version answers a key."""
    yield _title("Which version answers a key")
    sent, few = keys(count), keys(min(count, AT_EACH_WORKER))
    with tempfile.TemporaryDirectory(prefix="hotswap-rollouts-") as folder:
        data = Path(folder) / "data"
        with running_service(WORKERS, PORT, data) as service:
            target, other = _begin(service, "housing"), _begin(service, "iris")
            for split in (target, other):
                put_split(split, WEIGHTS)
            versions = versions_of(target, sent)
            yield share(versions, WEIGHT)
            yield overlap(versions, versions_of(other, sent), WEIGHT)
            expected = Buckets(WEIGHTS).versions_of(sent, salt_of(data, target.model))
            yield same("keys by the second rule", versions, expected)
            first = versions[: len(few)]
            yield from by_each_worker(target, service.workers(), few, first)
            for number, worker in enumerate(service.workers(), 1):
                _replace(service, worker)
                for one in by_each_worker(target, service.workers(), few, first):
                    yield one._replace(what=f"{one.what}, {number} of {WORKERS} killed")
        with running_service(WORKERS, PORT, data) as service:
            target = Target(service.url, TOKEN, "housing")
            for one in by_each_worker(target, service.workers(), few, first):
                yield one._replace(what=f"{one.what}, after a restart")
            put_split(target, {CHAMPION: 100, CANARY: 0})
            yield from grow(_begin(service, "growing"), data, keys(max(count // 10, 1)))


def changes(count: int) -> Iterator[Checked | str]:
    """What is answered while a split changes."""
    yield _title(f"{count} changes of a split, {CONNECTIONS} connections, four protocols")
    with running_service(WORKERS, PORT) as service:
        target = Target(service.url, TOKEN, "changing")
        predictions: dict[int, object] = {
            upload(service, target.model, constant_model(value)): value
            for value in (100.0, 200.0, 300.0, 400.0)
        }
        changer = Changer(target, service.data, sorted(predictions), random.Random(15))  # noqa: S311
        replies = change_under_load(changer, count, CONNECTIONS, pause=0.05)
    yield from checked(changer, replies, predictions)


def rollouts(failing: int, kills: int) -> Iterator[Checked | str]:
    """What the keeper does on a real server."""
    yield _title("Rollouts")
    yield from failing_versions(failing)
    yield from killed_keeper(kills)


def simulated(runs: int) -> Iterator[Checked | str]:
    """What guards decide."""
    yield _title("Simulated rollouts, a look each second")
    yield from equal_versions(runs)
    yield from failing_canaries(runs)
    yield from no_traffic()


def _title_page() -> str:
    """The beginning of the file."""
    day, cores = f"{datetime.now(UTC):%Y-%m-%d}", len(os.sched_getaffinity(0))
    return f"# Splits and rollouts\n\n`make bench-rollouts` on {day}, {cores} cores."


def _title(text: str) -> str:
    return f"\n## {text}\n\n| | expected | found |\n|---|---:|---:|"


def _begin(service: Service, model: str) -> Target:
    """A model of two versions, the first promoted."""
    for value in (100.0, 200.0):
        upload(service, model, constant_model(value))
    promote(service, model, CHAMPION)
    return Target(service.url, TOKEN, model)


def _replace(service: Service, worker: int) -> None:
    """Kill a worker and wait for its successor. Raises TimeoutError."""
    before = set(service.workers())
    os.kill(worker, signal.SIGKILL)
    deadline = time.monotonic() + RESPAWN_SECONDS
    while len(set(service.workers()) - before) < 1 or len(service.workers()) < WORKERS:
        if time.monotonic() > deadline:
            raise TimeoutError("no worker came in its place")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
