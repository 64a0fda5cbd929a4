"""Disturbs three hosts while their clients predict and operators move aliases; checks every reply.

    python -m tests.hosts.chaos [--seconds 600] [--seed N] [--lease SECONDS] [--control NAME]

Prints the figures. A control is a server that lacks a part of the protocol; it has to fail.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.service import upload
from benchmarks.swap import Target, constant_model
from tests.hosts.callers import Caller, Predictor, Witness
from tests.hosts.disturbances import LASTS, Disturber
from tests.hosts.hosts import SERVE, Cluster, cluster, control
from tests.hosts.links import are_possible
from tests.hosts.operators import Archiver, Deleter, Operator, Promoter, Revoker
from tests.hosts.record import Record, Verdict, judge, report
from tests.memory import in_memory

MODELS = ("alpha", "beta")
"""Each with an operator of its own, so that two hosts move aliases at the same time."""
SHELF = "shelf"
"""The model whose versions are archived."""
DESK = "desk"
"""The model whose alias is deleted."""
VERSIONS = 4
PREDICTORS = 2
"""Clients for each host and model."""
_SWITCH_SECONDS = 0.0005
"""The proxies and the clients share a process: each byte would wait 5 ms for its turn."""
QUIET = 0.15
"""The share of the time without disturbances, at the beginning and again at the end."""
CONTROLS: Mapping[str, Sequence[str | Path]] = {
    "none": SERVE,
    "no lease": control("tests.hosts.without_lease"),
    "no acknowledgements": control("tests.hosts.without_acknowledgements"),
}


@dataclass(frozen=True)
class Outcome:
    """What the clients got, what the operators were refused, and what ended a thread early."""

    verdict: Verdict
    refusals: Mapping[str, int]
    faults: Sequence[Exception]

    def lines(self) -> str:
        """The figures, as lines to print."""
        refusals = ", ".join(f"{count} x {kind}" for kind, count in sorted(self.refusals.items()))
        faults = "".join(f"\nfault            {fault!r}" for fault in self.faults)
        return f"{report(self.verdict)}\nrepeated         {refusals or 'nothing'}{faults}"


def chaos(
    folder: Path,
    *,
    seconds: float,
    seed: int,
    lease: int = 4,
    command: Sequence[str | Path] = SERVE,
    networks: bool = False,
    lasts: Sequence[float] = LASTS,
    only: Collection[str] = (),
) -> Outcome:
    """Run three hosts with files in ``folder``, disturb them for ``seconds``, and check every
    reply. ``networks``: each host has a network of its own; ``lasts``: how long a disturbance
    lasts, in leases; ``only``: the kinds of disturbances, if not all.

    Raises HostFailed.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    settings = {"HOTSWAP_LEASE_SECONDS": str(lease), "HOTSWAP_AUTH_FAILURES": "0"}
    with cluster(folder, command=command, networks=networks, **settings) as running:
        archived = max(2, int(seconds / 20))
        answers = _upload_all(running, archived)
        patience = 3.0 * lease + 10.0
        promoters = [
            Promoter(running, model, seed + index, patience, versions=sorted(answers[model]))
            for index, model in enumerate(MODELS)
        ]
        for promoter in promoters:
            promoter.begin()
        revoker = Revoker(running, MODELS[0], seed + 10, patience)
        archiver = Archiver(
            *(running, SHELF, seed + 11, patience),
            versions=sorted(answers[SHELF]),
            pause_seconds=seconds / archived / 2,
        )
        deleter = Deleter(running, DESK, seed + 12, patience, number=min(answers[DESK]))
        operators: list[Operator] = [*promoters, revoker, archiver, deleter]
        callers = _callers(running, max(1.0, lease / 3), revoker, archiver, deleter)
        disturbers = [
            Disturber(running, host, seed + 20 + host.number, lease, lasts=lasts, only=only)
            for host in running.hosts
        ]
        _run(seconds, callers, operators, disturbers)
    predictors = [caller for caller in callers if isinstance(caller, Predictor)]
    verdict = judge(
        Record(
            replies={
                (host.number, model): [
                    reply
                    for caller in predictors
                    if caller.host is host and caller.model == model
                    for reply in caller.replies
                ]
                for host in running.hosts
                for model in MODELS
            },
            answers=answers,
            moves=[move for promoter in promoters for move in promoter.moves],
            outages=[outage for disturber in disturbers for outage in disturber.outages],
            uses=[use for one in callers if isinstance(one, Witness) for use in one.uses],
            lease=lease,
        )
    )
    return Outcome(
        verdict,
        sum((operator.refusals for operator in operators), Counter()),
        [one.fault for one in (*operators, *disturbers) if one.fault is not None],
    )


def _upload_all(running: Cluster, archived: int) -> dict[str, dict[int, object]]:
    """The prediction of each version of each model. The hosts take the uploads in turn."""
    answers: dict[str, dict[int, object]] = {}
    wanted = {**dict.fromkeys(MODELS, VERSIONS), SHELF: archived, DESK: 1}
    for model, count in wanted.items():
        targets = [Target(host.url, running.token, model) for host in running.hosts]

        def add(index: int, model: str = model, targets: list[Target] = targets) -> int:
            return upload(targets[index % len(targets)], model, constant_model(float(index)))

        with ThreadPoolExecutor(2) as pool:
            numbers = pool.map(add, range(count))
            answers[model] = {number: float(index) for index, number in enumerate(numbers)}
    return answers


def _callers(
    running: Cluster, patience: float, revoker: Revoker, archiver: Archiver, deleter: Deleter
) -> list[Caller]:
    callers: list[Caller] = []
    for host in running.hosts:
        for model in MODELS:
            callers += [Predictor(host, patience, model, running.token) for _ in range(PREDICTORS)]
        callers += [Witness(host, patience, one.permissions) for one in (revoker, archiver)]
        # One alias: every permission is of the same request.
        callers.append(Witness(host, patience, deleter.permissions, latest=1))
    return callers


def _run(
    seconds: float,
    callers: Sequence[Caller],
    operators: Sequence[Operator],
    disturbers: Sequence[Disturber],
) -> None:
    """Let all of them work for ``seconds``; the disturbers not at the beginning and at the end."""
    for thread in (*callers, *operators):
        thread.start()
    time.sleep(QUIET * seconds)
    for disturber in disturbers:
        disturber.start()
    time.sleep((1 - 2 * QUIET) * seconds)
    for disturber in disturbers:
        disturber.end()
    for disturber in disturbers:
        disturber.join()
    time.sleep(QUIET * seconds)
    # The operators first: their last moves are to be seen.
    for threads in (operators, callers):
        for thread in threads:
            thread.end()
        for thread in threads:
            thread.join()


def main() -> int:
    """Run the test; 0 if no reply was wrong, or if one of a control was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3)))
    parser.add_argument("--lease", type=int, default=4)
    parser.add_argument("--control", choices=CONTROLS, default="none")
    parser.add_argument("--only", nargs="+", default=(), help="Kinds of disturbances.")
    parser.add_argument("--keep", type=Path, help="An empty folder for the files and the logs.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hotswap-hosts-", dir=in_memory()) as own:
        outcome = chaos(
            given.keep or Path(own),
            seconds=given.seconds,
            seed=given.seed,
            lease=given.lease,
            command=CONTROLS[given.control],
            networks=are_possible(),
            only=given.only,
        )
    sys.stdout.write(f"seed             {given.seed}\n{outcome.lines()}\n")
    if given.control != "none":
        return 0 if outcome.verdict.wrong else 1
    return 0 if outcome.verdict.clean and not outcome.faults else 1


if __name__ == "__main__":
    sys.exit(main())
