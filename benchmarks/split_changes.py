"""Changes the split of an alias again and again under load, and checks every response."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from itertools import cycle
from pathlib import Path

from benchmarks.bucket_rule import Buckets, bucket_of
from benchmarks.service import call
from benchmarks.split_keys import Checked, keys, salt_of
from benchmarks.swap import OWN, PROTOCOLS, Protocol, Target
from benchmarks.swap_record import Move, Reply, check

CUSTOMERS = 500
WEIGHTS = (0, 1, 10, 40, 75, 100)
PRODUCTION = "/models/{model}/aliases/production/split"


@dataclass(frozen=True, slots=True)
class Change(Move):
    """A change of a split; ``owners`` are the versions of its buckets, none where there is none."""

    owners: Sequence[int | None] = ()
    salt: bytes = b""

    def answers(self, key: bytes) -> int:
        if not self.owners:
            return self.version
        return self.owners[bucket_of(key, self.salt)] or 0


class KeyedClient(threading.Thread):
    """Predicts for one customer after the other on one connection, and records every response."""

    def __init__(
        self, target: Target, number: int, stop: threading.Event, protocol: Protocol = OWN
    ) -> None:
        super().__init__(name=f"client-{number}")
        self.replies: list[Reply] = []
        self._target, self._number, self._stop_now = target, number, stop
        self._protocol = protocol

    def run(self) -> None:
        path = self._protocol.path.format(model=self._target.model)
        draws, customers = random.Random(self._number), keys(CUSTOMERS)  # noqa: S311 - a benchmark
        connection = self._target.connect()
        while not self._stop_now.is_set():
            key, start = draws.choice(customers), time.monotonic()
            headers = {**self._target.headers(), "X-Request-Key": key.decode()}
            status, named, body = 0, 0, None
            try:
                connection.request("POST", path, self._protocol.body, headers)
                reply = connection.getresponse()
                status, body = reply.status, json.loads(reply.read())
                named = int(reply.headers.get("X-Model-Version") or 0)
            except (OSError, HTTPException):
                connection.close()
                connection = self._target.connect()
            end = time.monotonic()
            version, prediction = self._protocol.read(body, named) if status == 200 else (0, None)
            self.replies.append(
                Reply(self._number, start, end, status, version, named, prediction, key)
            )
        connection.close()


@dataclass(slots=True)
class Changer:
    """Changes the split of a model with three or more ``versions``; the registry is in ``data``."""

    target: Target
    data: Path
    versions: Sequence[int]
    draws: random.Random
    done: list[Change] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    _buckets: Buckets | None = None
    _arms: Sequence[int] = ()

    def begin(self) -> None:
        """Promote the first version."""
        self._move("promotion", f"{self.versions[0]}/promote")

    def change(self) -> None:
        """Make one more change, drawn among those that are possible now."""
        if self._buckets is None:
            choices = [self._split, self._split, self._split, self._promote]
        else:
            choices = [self._split, self._split, self._end, self._promote_arm, self._roll_back]
        self.draws.choice(choices)()

    @property
    def _champion(self) -> int:
        return self.done[-1].version

    def _split(self) -> None:
        others = [number for number in self.versions if number != self._champion]
        weights, rest = {}, 100
        for number in self.draws.sample(others, self.draws.choice([1, 2])):
            weights[number] = min(self.draws.choice(WEIGHTS), rest)
            rest -= weights[number]
        weights[self._champion] = rest
        change = self._call("PUT", PRODUCTION, {"weights": weights})
        if self._buckets is None:
            self._buckets = Buckets(weights)
        else:
            self._buckets.change(weights)
        self._arms = sorted(weights)
        salt = salt_of(self.data, self.target.model)
        self._note("weights", replace(change, owners=tuple(self._buckets.owners), salt=salt))

    def _end(self) -> None:
        self._unsplit("end", self._call("DELETE", PRODUCTION))

    def _promote(self) -> None:
        number = self.draws.choice([one for one in self.versions if one != self._champion])
        self._move("promotion", f"{number}/promote")

    def _promote_arm(self) -> None:
        self._move("promotion of an arm", f"{self.draws.choice(self._arms)}/promote")

    def _roll_back(self) -> None:
        self._move("rollback", "rollback")

    def _move(self, kind: str, verb: str) -> None:
        self._unsplit(kind, self._call("POST", f"/models/{{model}}/{verb}", {}))

    def _unsplit(self, kind: str, change: Change) -> None:
        self._buckets = None
        self._note(kind, change)

    def _note(self, kind: str, change: Change) -> None:
        self.kinds[kind] += 1
        self.done.append(change)

    def _call(self, method: str, path: str, body: object = None) -> Change:
        """Raises ServiceRefused."""
        sent = b"" if body is None else json.dumps(body).encode()
        with closing(self.target.connect()) as connection:
            start = time.monotonic()
            answer = call(
                *(connection, method, path.format(model=self.target.model), sent),
                {"Content-Type": "application/json"},
                token=self.target.token,
            )
            return Change(start, time.monotonic(), answer["version"])


def change_under_load(
    changer: Changer, changes: int, connections: int, pause: float = 0.0
) -> list[Reply]:
    """Change the split so often while clients predict; ``pause``: seconds after each change."""
    changer.begin()
    stop = threading.Event()
    clients = [
        KeyedClient(changer.target, number, stop, protocol)
        for number, protocol in zip(range(connections), cycle(PROTOCOLS), strict=False)
    ]
    for client in clients:
        client.start()
    try:
        for _ in range(changes):
            changer.change()
            time.sleep(pause)
    finally:
        stop.set()
        for client in clients:
            client.join()
    return [reply for client in clients for reply in client.replies]


def checked(
    changer: Changer, replies: Sequence[Reply], predictions: Mapping[int, object]
) -> Iterator[Checked]:
    """What was wrong with the responses; ``predictions``: those of the versions, all different."""
    verdict = check(replies, changer.done, predictions)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(changer.kinds.items()))
    yield Checked("responses during changes", "", f"{verdict.replies:,} ({kinds})", good=True)
    for what, wrong in (
        ("failed requests", verdict.failed),
        ("bodies of another version than the header's", verdict.torn),
        ("responses by another version than the key's, or one of weight 0", verdict.stale),
        ("responses of an older split than the same caller's last", verdict.backwards),
    ):
        yield Checked(what, "0", f"{len(wrong):,}", not wrong)
