"""Operators that move and delete aliases, revoke tokens and archive versions, by way of any
host."""

import http.client
import json
import random
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

from benchmarks.swap_moves import SPLIT_MOVES, begun
from tests.hosts.hosts import Cluster, Host
from tests.hosts.record import AnsweredMove, Permission

ATTEMPTS = 400
AGAIN_SECONDS = 0.1
_REPEATED = {0, 409, 422, 503}
"""Statuses after which the same request is sent again: no answer, a host that could not load the
version, and a host that cannot reach the database."""
DELETED = "candidate"
"""The alias that is deleted."""
_DONE = frozenset({200, 201, 204})


class OperatorFailed(Exception):
    """A request that was refused for a reason which no outage explains, or too often."""


class Operator(threading.Thread, ABC):
    """Sends requests about ``model`` until each is answered. One that fails is repeated with the
    same Idempotency-Key, by way of any host; so it takes effect once.

    It has what benchmarks/swap_moves.py needs of a target.
    """

    def __init__(self, cluster: Cluster, model: str, seed: int, patience: float) -> None:
        super().__init__(daemon=True, name=f"operator of {model}")
        self.model = model
        self.refusals: Counter[str] = Counter()
        self.fault: Exception | None = None
        self.attempts, self.host = 0, 0
        self._cluster = cluster
        self._random = random.Random(seed)
        self._patience = patience
        self._ends = threading.Event()

    def end(self) -> None:
        """Send no more requests than the current one."""
        self._ends.set()

    def run(self) -> None:
        try:
            for _ in self.work():
                if self._ends.wait(self.pause()):
                    break
        except Exception as error:  # noqa: BLE001 - told to the test
            self.fault = error

    @abstractmethod
    def work(self) -> Iterator[None]:
        """Do one thing after the other; yields after each."""

    def pause(self) -> float:
        """Seconds until the next one."""
        return self._random.uniform(0.0, 0.3)

    def post(self, path: str) -> dict[str, Any]:
        """Post without a body."""
        return self.call("POST", path)

    def call(
        self, method: str, path: str, body: object = None, done: frozenset[int] = _DONE
    ) -> dict[str, Any]:
        """Send a request until it is answered with one of the statuses ``done``.

        Raises OperatorFailed.
        """
        sent = None if body is None else json.dumps(body).encode()
        key = uuid.uuid4().hex
        for attempt in range(1, ATTEMPTS + 1):
            host = self._random.choice(self._cluster.hosts)
            status, said = self._send(host, method, path, sent, key)
            if status in done:
                self.attempts, self.host = attempt, host.number
                answer: dict[str, Any] = json.loads(said or b"{}")
                return answer
            told = json.loads(said) if status else {"type": "no answer"}
            kind = told.get("type") or told["error_code"]
            self.refusals[f"{status} {kind}"] += 1
            if status not in _REPEATED:
                break
            time.sleep(AGAIN_SECONDS)
        raise OperatorFailed(f"{method} {path} by way of {host.number}: {status} {said[:500]!r}")

    def _send(
        self, host: Host, method: str, path: str, body: bytes | None, key: str
    ) -> tuple[int, bytes]:
        headers = {
            "Authorization": f"Bearer {self._cluster.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        connection = http.client.HTTPConnection(host.address, host.port, timeout=self._patience)
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()


class Promoter(Operator):
    """Moves the production alias of ``model`` between ``versions``: promotions, rollbacks, splits
    that give all requests to one version, and ends of splits."""

    def __init__(
        self,
        cluster: Cluster,
        model: str,
        seed: int,
        patience: float,
        *,
        versions: Sequence[int],
    ) -> None:
        super().__init__(cluster, model, seed, patience)
        self.moves: list[AnsweredMove] = []
        self._versions = versions

    def begin(self) -> None:
        """Promote the first version, which ends a split that an earlier promoter left."""
        self._note(begun, 0, self._versions[0])

    def work(self) -> Iterator[None]:
        for fresh in cycle(self._versions):
            pair = (self.moves[-1].move.version, fresh)
            if pair[0] == fresh:
                continue
            for move in SPLIT_MOVES:
                current = self.moves[-1].move.version
                self._note(move, current, pair[1] if current == pair[0] else pair[0])
                yield

    def _note(self, move: Any, current: int, other: int) -> None:
        made = move(self, current, other)
        self.moves.append(AnsweredMove(self.model, made, self.host, self.attempts))


class Revoker(Operator):
    """Creates tokens and revokes them."""

    def __init__(self, cluster: Cluster, model: str, seed: int, patience: float) -> None:
        super().__init__(cluster, model, seed, patience)
        self.permissions: list[Permission] = []

    def pause(self) -> float:
        return self._random.uniform(0.5, 2.0)

    def work(self) -> Iterator[None]:
        while True:
            made = self.call("POST", "/tokens", {"name": uuid.uuid4().hex, "scopes": ["predict"]})
            permission = Permission(f"/models/{self.model}/predict", made["token"])
            self.permissions.append(permission)
            yield
            self.call("DELETE", f"/tokens/{made['id']}")
            permission.ended = time.monotonic()
            yield


class Archiver(Operator):
    """Archives the ``versions`` of ``model``, one after the other."""

    def __init__(
        self,
        cluster: Cluster,
        model: str,
        seed: int,
        patience: float,
        *,
        versions: Sequence[int],
        pause_seconds: float,
    ) -> None:
        super().__init__(cluster, model, seed, patience)
        self.permissions: list[Permission] = []
        self._versions = versions
        self._pause = pause_seconds

    def pause(self) -> float:
        return self._random.uniform(0.5, 1.5) * self._pause

    def work(self) -> Iterator[None]:
        for number in self._versions:
            path = f"/models/{self.model}/{number}"
            permission = Permission(f"{path}/predict", self._cluster.token)
            self.permissions.append(permission)
            yield
            self.call("DELETE", path)
            permission.ended = time.monotonic()


class Deleter(Operator):
    """Points an alias of ``model`` at the version ``number`` and deletes it, in turn.

    A deletion has no key: one that is repeated may find that there is no such alias.
    """

    def __init__(
        self, cluster: Cluster, model: str, seed: int, patience: float, *, number: int
    ) -> None:
        super().__init__(cluster, model, seed, patience)
        self.permissions: list[Permission] = []
        self._number = number

    def pause(self) -> float:
        return self._random.uniform(0.2, 1.0)

    def work(self) -> Iterator[None]:
        mlflow = {"name": self.model, "alias": DELETED}
        while True:
            if self.permissions:
                self.permissions[-1].again = time.monotonic()
            self.call("POST", f"/models/{self.model}/{self._number}/promote", {"alias": DELETED})
            path = f"/models/{self.model}/{DELETED}/predict"
            permission = Permission(path, self._cluster.token)
            self.permissions.append(permission)
            yield
            if self._random.random() < 0.5:
                self.call("DELETE", "/api/2.0/mlflow/registered-models/alias", mlflow)
            else:
                path = f"/models/{self.model}/aliases/{DELETED}"
                self.call("DELETE", path, done=_DONE | {404})
            permission.ended = time.monotonic()
            yield
