"""Which version answers a key: on every worker, after kills and restarts, and by a second rule."""

import http.client
import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from benchmarks.bucket_rule import Buckets
from benchmarks.keyed_load import answers_to, one_to_each_worker
from benchmarks.service import call
from benchmarks.swap import Target

SIGMAS = 4
CHAMPION, CANARY = 1, 2
STEPS = (5, 25, 60, 100, 60)
"""Weights of the canary in percent, one after the other."""
AT_EACH_WORKER = 20_000


class Checked(NamedTuple):
    """Something that was measured, and whether it is as it has to be."""

    what: str
    wanted: str
    found: str
    good: bool

    @property
    def row(self) -> str:
        """A row of a table of Markdown."""
        verdict = "" if self.good else " **no**"
        return f"| {self.what} | {self.wanted} | {self.found}{verdict} |"


def keys(count: int) -> list[bytes]:
    """Distinct keys, as callers number their customers."""
    return [b"customer-%d" % number for number in range(count)]


def put_split(target: Target, weights: Mapping[int, float]) -> None:
    """Split production by these percentages. Raises ServiceRefused."""
    body = json.dumps({"weights": weights}).encode()
    with closing(target.connect()) as connection:
        send(connection, target, "PUT", f"/models/{target.model}/aliases/production/split", body)


def send(
    connection: http.client.HTTPConnection, target: Target, method: str, path: str, body: bytes
) -> None:
    """Send JSON. Raises ServiceRefused."""
    headers = {"Content-Type": "application/json"}
    call(connection, method, path, body, headers, token=target.token)


def salt_of(data: Path, model: str) -> bytes:
    """The salt of the split of production, from the database in ``data``."""
    with closing(sqlite3.connect(f"file:{data / 'registry.db'}?mode=ro", uri=True)) as database:
        row = database.execute(
            "SELECT split_salt FROM aliases WHERE model = ? AND name = 'production'", (model,)
        ).fetchone()
    return bytes(row[0])


def versions_of(target: Target, sent: Sequence[bytes]) -> list[int]:
    """The version that answers each of these keys; 0 where none did."""
    answers = answers_to(target.url, target.token, target.model, sent)
    return [answer.version if answer.status == 200 else 0 for answer in answers]


def share(versions: Sequence[int], weight: float) -> Checked:
    """Whether the canary has about ``weight`` percent of the keys."""
    found = Counter(versions)[CANARY]
    return _about(f"keys of the canary at {weight:g} %", found, len(versions), weight / 100)


def same(what: str, versions: Sequence[int | None], others: Sequence[int | None]) -> Checked:
    """Whether each key is answered by the same version as before."""
    moved = sum(one != other for one, other in zip(versions, others, strict=True))
    return Checked(what, "0 keys differ", f"{moved:,} of {len(versions):,}", moved == 0)


def by_each_worker(
    target: Target, workers: Sequence[int], sent: Sequence[bytes], versions: Sequence[int]
) -> Iterator[Checked]:
    """Whether each worker answers keys as others did."""
    with one_to_each_worker(target.url, target.token, target.model, workers) as connections:
        for number, connection in enumerate(connections.values(), 1):
            found = [answer.version for answer in connection.ask(sent)]
            yield same(f"keys at worker {number} of {len(workers)}", found, versions)


def grow(target: Target, data: Path, sent: Sequence[bytes]) -> Iterator[Checked]:
    """Change the weights as ``STEPS`` say: who leaves the canary, and how many keys move."""
    buckets = Buckets({CHAMPION: 100, CANARY: 0})
    put_split(target, {CHAMPION: 100, CANARY: 0})
    salt, before, weight = salt_of(data, target.model), versions_of(target, sent), 0
    for step in STEPS:
        weights = {CHAMPION: 100 - step, CANARY: step}
        put_split(target, weights)
        buckets.change(weights)
        now, name = versions_of(target, sent), f"{weight} % to {step} %"
        if step > weight:
            left = sum(
                (one, two) == (CANARY, CHAMPION) for one, two in zip(before, now, strict=True)
            )
            yield Checked(f"{name}: keys that left the canary", "0", f"{left:,}", left == 0)
        moved = sum(one != two for one, two in zip(before, now, strict=True))
        yield _about(f"{name}: keys that moved", moved, len(sent), abs(step - weight) / 100)
        yield same(f"{name}: keys by the second rule", now, buckets.versions_of(sent, salt))
        before, weight = now, step


def overlap(first: Sequence[int], second: Sequence[int], weight: float) -> Checked:
    """How many keys are the canary's in two splits."""
    both = sum(one == two == CANARY for one, two in zip(first, second, strict=True))
    what = f"keys of both canaries of two models at {weight:g} %"
    return _about(what, both, len(first), (weight / 100) ** 2)


def _about(what: str, found: int, of: int, probability: float) -> Checked:
    """Whether so many of ``of`` are within four standard deviations of the expected number."""
    expected = of * probability
    allowed = SIGMAS * math.sqrt(expected * (1 - probability))
    wanted = f"{math.ceil(expected - allowed):,} to {math.floor(expected + allowed):,}"
    return Checked(what, f"{wanted} of {of:,}", f"{found:,}", abs(found - expected) <= allowed)
