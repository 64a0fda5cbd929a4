"""Times one server: starts it, checks its predictions, sends its workloads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.dialects import HOTSWAP, Dialect
from benchmarks.figures import Measured, Method, ServerFigures
from benchmarks.launching import ServerFailed, launched
from benchmarks.load import LoadFailed, drive
from benchmarks.memory import memory_of
from benchmarks.parity import AnswersWrong, check
from benchmarks.servers import Peer, environment
from benchmarks.service import ROOT, TOKEN, running_service
from benchmarks.workloads import SHARED_FORM, Workload


@dataclass(frozen=True, slots=True)
class Running:
    """A running server, ours or a peer."""

    pid: int
    port: int
    dialect: Dialect
    seconds_to_ready: float
    token: str = ""
    checked: bool = True


@contextmanager
def ours(port: int, data: Path, core: int) -> Iterator[Running]:
    """Our service with one worker, on the data directory with the registered models."""
    with running_service(1, port, data, core=core) as service:
        pid = service.process.pid
        yield Running(pid, port, HOTSWAP, service.seconds_to_ready, TOKEN)


@contextmanager
def theirs(peer: Peer, folder: Path, port: int, model: str, core: int) -> Iterator[Running]:
    """A peer with one worker; ``model`` is for peers that serve only one."""
    ready = f"http://127.0.0.1:{port}{peer.ready}"
    around = environment(peer.bin, folder)
    command = peer.command(folder, port, model)
    with launched(command, ready, cwd=ROOT, environment=around, core=core) as running:
        yield Running(
            running.process.pid, port, peer.dialect, running.seconds_to_ready, checked=peer.checked
        )


def time_ours(
    figures: ServerFigures,
    workloads: Sequence[Workload],
    method: Method,
    *,
    port: int,
    data: Path,
) -> None:
    """One round of our service; adds the results to ``figures``."""
    try:
        with ours(port, data, method.server_core) as running:
            _time(figures, workloads, method, running)
    except ServerFailed as failure:
        figures.failure = str(failure)


def time_peer(
    peer: Peer,
    figures: ServerFigures,
    workloads: Sequence[Workload],
    method: Method,
    *,
    port: int,
    folder: Path,
) -> None:
    """One round of a peer; adds the results to ``figures``."""
    understood = [one for one in workloads if one.form in peer.dialect.asks]
    if not peer.checked:  # it does not read request bodies, so long ones end the connection
        understood = [one for one in understood if one.single]
    for models in peer.groups:
        chosen = [one for one in understood if one.model in models]
        if not chosen:
            continue
        try:
            with theirs(peer, folder, port, models[0], method.server_core) as running:
                _time(figures, chosen, method, running)
        except ServerFailed as failure:
            figures.failure = str(failure)


def _time(
    figures: ServerFigures, workloads: Sequence[Workload], method: Method, running: Running
) -> None:
    figures.starts.append(running.seconds_to_ready)
    for workload in workloads:
        if workload.form == SHARED_FORM:
            _time_or_fail(figures, workload, method, running)
    figures.memory.append(memory_of(running.pid))
    for workload in workloads:
        if workload.form != SHARED_FORM:
            _time_or_fail(figures, workload, method, running)
    figures.memory_at_end.append(memory_of(running.pid))


def _time_or_fail(
    figures: ServerFigures, workload: Workload, method: Method, running: Running
) -> None:
    measured = figures.workloads.setdefault(workload.name, Measured())
    if measured.failure:
        return
    try:
        _time_one(measured, workload, method, running)
    except (AnswersWrong, LoadFailed, OSError) as failure:
        measured.failure = str(failure) or type(failure).__name__


def _time_one(measured: Measured, workload: Workload, method: Method, running: Running) -> None:
    requests = running.dialect.requests(workload)
    if running.checked and measured.parity is None:
        port, dialect = running.port, running.dialect
        measured.parity = check(port, requests, workload, dialect, running.token)
    wire = [request.wire(running.port, running.token) for request in requests]
    for seconds in (method.warm_up_seconds, method.seconds):
        load = drive(
            running.port,
            wire,
            connections=method.connections,
            seconds=seconds,
            core=method.wrk_core,
        )
    measured.loads.append(load)
