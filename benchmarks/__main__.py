"""Compares the service with its peers and writes benchmarks/RESULTS.md.

    python -m benchmarks [--seconds 10] [--rounds 3] [--only hotswap,mlserver,engine] [--out FILE]

A run of some parts only prints its results, unless ``--out`` is given.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import joblib
import skops.io
from sklearn.pipeline import Pipeline

from benchmarks import (
    batches,
    console,
    engine,
    growth_report,
    large_batches,
    machine,
    many_versions,
    promotions,
)
from benchmarks.figures import Method, Run, ServerFigures
from benchmarks.growth_report import place, section_of
from benchmarks.launching import ServerFailed, on_cores
from benchmarks.load import LoadFailed, find_wrk
from benchmarks.measuring import time_ours, time_peer
from benchmarks.pipelines import (
    TRAINING_ROWS,
    housing_like,
    iris_like,
    train_housing,
    train_iris,
)
from benchmarks.report import failures, markdown
from benchmarks.servers import ALL_PEERS, MLSERVER_BIN, MODELS, OUR_BIN, OURS, PEERS_BIN, Peer
from benchmarks.service import ServiceRefused, promote, running_service, upload
from benchmarks.workloads import all_workloads

RESULTS = Path(__file__).with_name("RESULTS.md")
OTHERS = growth_report.HEADING, batches.HEADING, console.HEADING
EVERYTHING = (OURS, *(peer.key for peer in ALL_PEERS), "engine", "large", "versions", "promote")
EXAMPLE_ROWS = 200


def main() -> int:
    """Run the selected parts; 0 if none failed."""
    arguments = _arguments()
    try:
        find_wrk()
    except LoadFailed as failure:
        raise SystemExit(str(failure)) from failure
    cores = _two_cores()
    method = Method(
        arguments.seconds, arguments.rounds, arguments.warm_up, arguments.connections, *cores
    )
    # On SIGTERM the servers that were started are stopped too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    today = datetime.now(UTC).date().isoformat()
    run = Run(today, machine.this_machine(), _versions(), method)
    try:
        with tempfile.TemporaryDirectory(prefix="hotswap-bench-") as folder, on_cores({cores[1]}):
            _measure(run, arguments.only, Path(folder), arguments.port, arguments.models)
    finally:
        page = markdown(run)
        print(page)
    out = arguments.out or (RESULTS if set(arguments.only) == set(EVERYTHING) else None)
    if out:
        before = out.read_text() if out.exists() else ""
        out.write_text(with_others(page, before))
        out.with_suffix(".json").write_text(json.dumps(asdict(run), indent=1) + "\n")
    return 1 if failures(run) else 0


def with_others(page: str, before: str) -> str:
    """``page`` with the sections of ``before`` that other measurements write."""
    for heading in OTHERS:
        page = place(page, section_of(before, heading))
    return page


def _measure(run: Run, only: Sequence[str], folder: Path, port: int, models: int) -> None:
    _say("training")
    housing = train_housing(*housing_like(TRAINING_ROWS, seed=1))
    pipelines = {"iris": train_iris(), "housing": housing}
    if "engine" in only:
        with _part(run, "the engine alone"):
            run.engine = engine.measure(housing, engine.ROUNDS)
    data = folder / "data"
    if {OURS, "large"} & set(only):
        _register(data, port, pipelines)
    _measure_servers(run, only, folder, port, pipelines)
    core = run.method.server_core
    if "large" in only:
        settings = large_batches.SETTINGS
        with (
            _part(run, "100,000 rows"),
            running_service(1, port, data, core=core, settings=settings) as service,
        ):
            run.large = large_batches.measure(service, housing)
            run.parallel = large_batches.measure_parallel(service)
    if "versions" in only:
        with _part(run, "many versions"):
            run.many_versions = many_versions.measure(run.method, port, models)
    if "promote" in only:
        with _part(run, "promotes"), on_cores({core, run.method.wrk_core}):
            run.promotions = promotions.measure(housing, port)


@contextmanager
def _part(run: Run, name: str) -> Iterator[None]:
    """Put a failure of the block into the report instead of raising it."""
    _say(name)
    try:
        yield
    except (ServerFailed, ServiceRefused, LoadFailed, OSError) as failure:
        run.failures[name] = str(failure) or type(failure).__name__


def _measure_servers(
    run: Run, only: Sequence[str], folder: Path, port: int, pipelines: Mapping[str, Pipeline]
) -> None:
    peers = [peer for peer in ALL_PEERS if peer.key in only]
    if OURS in only:
        run.servers[OURS] = ServerFigures("Hotswap")
    for peer in peers:
        run.servers[peer.key] = ServerFigures(peer.title)
    if not run.servers:
        return
    workloads = all_workloads(pipelines["iris"], pipelines["housing"])
    models = folder / "models"
    _write_for_peers(models, pipelines)
    for peer in peers:
        _prepare(peer, run.servers[peer.key], models, port)
    for number in range(1, run.method.rounds + 1):
        if OURS in only:
            _say(f"round {number}: Hotswap")
            time_ours(run.servers[OURS], workloads, run.method, port=port, data=folder / "data")
        for peer in peers:
            if not run.servers[peer.key].failure:
                _say(f"round {number}: {peer.title}")
                time_peer(
                    peer, run.servers[peer.key], workloads, run.method, port=port, folder=models
                )


def _register(data: Path, port: int, pipelines: Mapping[str, Pipeline]) -> None:
    """Upload and promote the pipelines; the service is then restarted on the data directory."""
    _say("upload and promote")
    with running_service(1, port, data) as service:
        for name, pipeline in pipelines.items():
            promote(service, name, upload(service, name, bytes(skops.io.dumps(pipeline))))


def _write_for_peers(folder: Path, pipelines: Mapping[str, Pipeline]) -> None:
    """Each pipeline as joblib, and rows from which a peer can infer a signature."""
    folder.mkdir()
    examples = {
        "iris": iris_like(EXAMPLE_ROWS, seed=1),
        "housing": housing_like(EXAMPLE_ROWS, 1)[0],
    }
    for name in MODELS:
        joblib.dump(pipelines[name], folder / f"{name}.joblib")
        examples[name].to_parquet(folder / f"{name}.parquet")


def _prepare(peer: Peer, figures: ServerFigures, models: Path, port: int) -> None:
    if peer.prepare is None:
        return
    _say(f"preparing {peer.title}")
    try:
        peer.prepare(models, port)
    except ServerFailed as failure:
        figures.failure = str(failure)


def _two_cores() -> tuple[int, int]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("Two cores are required: one for the server and one for the client.")
    return cores[0], cores[1]


def _versions() -> dict[str, str]:
    found = {f"ours: {name}": v for name, v in machine.versions(OUR_BIN, machine.OURS).items()}
    for label, programs, names in (
        ("peers", PEERS_BIN, machine.PEERS),
        ("MLServer's", MLSERVER_BIN, machine.MLSERVER),
    ):
        if programs.exists():
            found |= {
                f"{label}: {name}": v for name, v in machine.versions(programs, names).items()
            }
    return {**found, "wrk": machine.wrk_version()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=10, help="measured seconds of each workload")
    parser.add_argument("--warm-up", type=int, default=2, help="seconds of warm-up before them")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all servers")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument(
        "--models", type=int, default=many_versions.MODELS, help="models, of five versions each"
    )
    parser.add_argument("--port", type=int, default=8460, help="first of three ports")
    parser.add_argument(
        "--only",
        type=_chosen,
        default=EVERYTHING,
        metavar="NAME,…",
        help=f"parts to run: {', '.join(EVERYTHING)}",
    )
    parser.add_argument("--out", type=Path, help="default: RESULTS.md, if all parts are run")
    return parser.parse_args()


def _chosen(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := sorted(set(names) - set(EVERYTHING)):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}")
    return names


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
