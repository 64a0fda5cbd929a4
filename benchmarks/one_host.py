"""Times one host's predictions, promotions and uploads with each database, in turn.

The services have one worker each, on one core, and run side by side; the caller and PostgreSQL have
the other core.
"""

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from sqlalchemy import make_url, text

from benchmarks.keyed_load import KeyedConnection, connected
from benchmarks.service import TOKEN, Service, promote, running_service, upload
from benchmarks.splits import worker_cpu_seconds
from benchmarks.swap import constant_model
from registry.storage.database import Database

FIRST_PORT = 8740
KEYS = [f"customer-{number}".encode() for number in range(500)]


class OneHost(NamedTuple):
    """``cpu``: microseconds of the worker for a prediction, the fastest tenth of the rounds and the
    median; ``promote`` and ``upload``: milliseconds, median and 99th percentile."""

    name: str
    cpu: tuple[float, float]
    promote: tuple[float, float]
    upload: tuple[float, float]


def by_database(url: str, rounds: int, changes: int) -> list[OneHost]:
    """Time so many rounds of predictions, and changes. ``url``: a PostgreSQL server's."""
    lease = {"HOTSWAP_LEASE_SECONDS": "10"}
    kinds = [
        ("SQLite", {}),
        ("PostgreSQL, lease 10 s", {"HOTSWAP_DATABASE_URL": created(url, "leased"), **lease}),
        (
            "PostgreSQL, no lease",
            {"HOTSWAP_DATABASE_URL": created(url, "alone"), "HOTSWAP_LEASE_SECONDS": "0"},
        ),
    ]
    with ExitStack() as stack:
        services = {}
        for port, (name, settings) in enumerate(kinds, FIRST_PORT):
            service = running_service(1, port, core=1, settings=settings)
            services[name] = stack.enter_context(service)
        for service in services.values():
            for value in (1.0, 2.0):
                upload(service, "plain", constant_model(value))
            promote(service, "plain", 1)
        with on_core(0):
            cpu = predictions(stack, services, rounds)
            promoted = promotions(services, changes)
            uploaded = uploads(services, changes)
    return [
        OneHost(
            name,
            (statistics.quantiles(cpu[name], n=10)[0], statistics.median(cpu[name])),
            median_and_p99(promoted[name]),
            median_and_p99(uploaded[name]),
        )
        for name in services
    ]


def created(url: str, name: str) -> str:
    """The URL of a new, empty database."""
    database = Database(url)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    database.dispose()
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Have this process run on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def predictions(
    stack: ExitStack, services: dict[str, Service], rounds: int
) -> dict[str, list[float]]:
    """Microseconds of CPU time for a prediction, of each round."""
    callers: dict[str, KeyedConnection] = {}
    for name, service in services.items():
        callers[name] = stack.enter_context(connected(service.url, TOKEN, "plain"))
    took: dict[str, list[float]] = {name: [] for name in services}
    for number in range(rounds):
        for name in alternating(services, number):
            (worker,) = services[name].workers()
            before = worker_cpu_seconds(worker)
            callers[name].ask(KEYS)
            took[name].append((worker_cpu_seconds(worker) - before) / len(KEYS) * 1e6)
    return took


def promotions(services: dict[str, Service], times: int) -> dict[str, list[float]]:
    """Milliseconds of each; the version that is promoted is loaded."""
    took: dict[str, list[float]] = {name: [] for name in services}
    for number in range(times):
        for name in alternating(services, number):
            began = time.perf_counter()
            promote(services[name], "plain", 2 - number % 2)
            took[name].append((time.perf_counter() - began) * 1000)
    return took


def uploads(services: dict[str, Service], times: int) -> dict[str, list[float]]:
    """Milliseconds of each, with different bytes."""
    took: dict[str, list[float]] = {name: [] for name in services}
    for number in range(times):
        artifact = constant_model(3.0 + number)
        for name in alternating(services, number):
            began = time.perf_counter()
            upload(services[name], "other", artifact)
            took[name].append((time.perf_counter() - began) * 1000)
    return took


def alternating(services: dict[str, Service], number: int) -> list[str]:
    """The names, forwards and backwards in turn."""
    return list(services) if number % 2 else list(reversed(services))


def median_and_p99(values: list[float]) -> tuple[float, float]:
    return statistics.median(values), statistics.quantiles(values, n=100)[98]
