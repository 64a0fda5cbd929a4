"""Compares requests a second with many and with few loaded versions, on two services alternately.

Consecutive requests go to different versions, so that none profits from a cache of the previous
one.
"""

import json
from collections.abc import Sequence

import numpy as np
import skops.io
from sklearn.linear_model import LinearRegression

from benchmarks.dialects import Request
from benchmarks.figures import ManyVersions, Method
from benchmarks.load import Load, drive
from benchmarks.memory import resident_mb
from benchmarks.service import TOKEN, Service, call, running_service, upload

MODELS = 100
VERSIONS_OF_EACH = 5
FEW_MODELS = 2
ROUNDS = 6
REQUESTS = 1_000
COLUMNS = 4


def measure(method: Method, port: int, models: int = MODELS) -> ManyVersions:
    """Register and load all versions, and send load to both services alternately."""
    core = method.server_core
    with (
        running_service(1, port, core=core) as few,
        running_service(1, port + 1, core=core) as many,
    ):
        little = _register(few, FEW_MODELS, 1)
        much = _register(many, models, VERSIONS_OF_EACH)
        services = [(port, _requests(port, little)), (port + 1, _requests(port + 1, much))]
        for at, requests in services:
            _drive(method, at, requests, method.warm_up_seconds)
        loads = [_drive_both(method, services, first=number % 2) for number in range(ROUNDS)]
        (worker,) = many.workers()
        return ManyVersions(
            few=len(little),
            many=len(much),
            models=models,
            pairs=[(a.per_second, b.per_second) for a, b in loads],
            worker_mb=resident_mb(worker),
            wrong=next((load.wrong for pair in loads for load in pair if load.wrong), ""),
        )


def _register(service: Service, models: int, versions: int) -> list[tuple[str, int]]:
    """Upload the versions, and send a request to each, which loads it."""
    found = [
        (f"model-{model}", upload(service, f"model-{model}", _small_model(model * versions + n)))
        for model in range(models)
        for n in range(versions)
    ]
    connection = service.connect()
    try:
        for name, number in found:
            request = _request(name, number, 0)
            call(connection, "POST", request.path, request.body, request.headers())
    finally:
        connection.close()
    return found


def _small_model(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(50, COLUMNS))
    return bytes(skops.io.dumps(LinearRegression().fit(rows, rows @ rng.normal(size=COLUMNS))))


def _requests(port: int, versions: Sequence[tuple[str, int]]) -> list[bytes]:
    return [
        _request(*versions[index % len(versions)], index).wire(port, TOKEN)
        for index in range(REQUESTS)
    ]


def _request(name: str, number: int, index: int) -> Request:
    row = {f"x{column}": float(index + column) for column in range(COLUMNS)}
    return Request(f"/models/{name}/{number}/predict", json.dumps(row).encode())


def _drive_both(
    method: Method, services: Sequence[tuple[int, Sequence[bytes]]], first: int
) -> tuple[Load, Load]:
    """The loads of few and many; ``first`` is the index of the service that begins."""
    loads = {at: _drive(method, *services[at], method.seconds) for at in (first, 1 - first)}
    return loads[0], loads[1]


def _drive(method: Method, port: int, requests: Sequence[bytes], seconds: int) -> Load:
    return drive(
        port, requests, connections=method.connections, seconds=seconds, core=method.wrk_core
    )
