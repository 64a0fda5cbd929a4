"""Times promotions over HTTP: versions that are loaded and warmed up, two workers, no load."""

import time
from collections.abc import Sequence

import skops.io
from sklearn.pipeline import Pipeline

from benchmarks.figures import Promotions
from benchmarks.service import call, running_service, upload

VERSIONS = 8
WORKERS = 2
PROMOTES = 200


def measure(housing: Pipeline, port: int, promotes: int = PROMOTES) -> Promotions:
    """Promote each version once, which loads it in every worker; then time promotions in turn."""
    with running_service(WORKERS, port) as service:
        numbers = [upload(service, "housing", artifact) for artifact in _artifacts(housing)]
        connection = service.connect()
        try:
            took = []
            for number in _round_and_round(numbers, promotes + VERSIONS):
                started = time.monotonic()
                call(connection, "POST", f"/models/housing/{number}/promote")
                took.append((time.monotonic() - started) * 1e3)
        finally:
            connection.close()
    return Promotions(VERSIONS, WORKERS, took[VERSIONS:])


def _round_and_round(numbers: Sequence[int], times: int) -> list[int]:
    return [numbers[index % len(numbers)] for index in range(times)]


def _artifacts(housing: Pipeline) -> list[bytes]:
    """The pipeline as different files, with its trees in a different order in each."""
    forest = housing["forest"]
    trees = list(forest.estimators_)
    found = []
    try:
        for first in range(VERSIONS):
            forest.estimators_ = trees[first:] + trees[:first]
            found.append(bytes(skops.io.dumps(housing)))
    finally:
        forest.estimators_ = trees
    return found
