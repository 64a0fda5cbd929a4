"""Swaps versions under load and checks every response.

    python -m benchmarks.swap [--moves 1000] [--connections 16] [--kill-every SECONDS]

Starts the service with two workers, registers versions whose predictions differ, and lets clients
predict by alias without pause while the alias moves back and forth, by promotions, rollbacks and
splits. Each split gives all requests to one of its versions, so that every response can be checked.
Prints the verdict and the latency in steady state and within 50 ms of a move.
"""

import argparse
import http.client
import json
import os
import random
import signal
import ssl
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

from benchmarks.service import TOKEN, running_service, upload
from benchmarks.swap_moves import MOVES, SPLIT_MOVES, promoted
from benchmarks.swap_record import Move, Reply, Verdict, check, near_a_move, quantile, unexplained

NEAR_SECONDS = 0.05
STEADY_SECONDS = 3.0
ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a row is sent: the path, with ``{model}``, and the body; ``read`` returns the version,
    which is in the JSON of a response that succeeded or in its header, and the prediction."""

    path: str
    body: bytes
    read: Callable[[Any, int], tuple[int, object]]


OWN = Protocol(
    "/models/{model}/predict",
    json.dumps({"x0": 1.0, "x1": 2.0}).encode(),
    lambda body, _: (body["version"], body["prediction"]),
)
TENSORS = Protocol(
    "/v2/models/{model}/infer",
    json.dumps(
        {"inputs": [{"name": "X", "shape": [1, 2], "datatype": "FP64", "data": [1.0, 2.0]}]}
    ).encode(),
    lambda body, _: (int(body["model_version"]), body["outputs"][0]["data"][0]),
)
SCORING = Protocol(
    "/models/{model}/invocations",
    json.dumps({"dataframe_split": {"columns": ["x0", "x1"], "data": [[1.0, 2.0]]}}).encode(),
    lambda body, version: (version, body["predictions"][0]),
)
TENSORFLOW = Protocol(
    "/v1/models/{model}:predict",
    json.dumps({"instances": [[1.0, 2.0]]}).encode(),
    lambda body, version: (version, body["predictions"][0]),
)
PROTOCOLS = (OWN, TENSORS, SCORING, TENSORFLOW)


@dataclass(frozen=True, slots=True)
class Target:
    """The service under test: ``url``, an admin token, and the model to swap.

    ``certificate``: a file with the certificate to expect at an ``https`` URL, if it is not signed
    by an authority.
    """

    url: str
    token: str
    model: str = "swapped"
    certificate: str | None = None

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    def connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self.certificate)
            return http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=30, context=context
            )
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)

    def post(self, path: str) -> dict[str, Any]:
        """Post without a body. Raises RuntimeError as ``call``."""
        return self.call("POST", path)

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Send a request; repeat it with the same Idempotency-Key if the connection breaks.

        Raises RuntimeError if the service answers with another status than 200.
        """
        sent = None if body is None else json.dumps(body).encode()
        headers = {**self.headers(), "Idempotency-Key": uuid.uuid4().hex}
        for _ in range(ATTEMPTS):
            connection = self.connect()
            try:
                connection.request(method, path, sent, headers)
                reply = connection.getresponse()
                answer: dict[str, Any] = json.loads(reply.read())
            except (OSError, http.client.HTTPException):
                continue
            finally:
                connection.close()
            if reply.status != 200:
                raise RuntimeError(f"{path}: {reply.status} {answer}")
            return answer
        raise RuntimeError(f"{path}: no answer in {ATTEMPTS} attempts")


class Client(threading.Thread):
    """Predicts by alias on one connection, and records every response.

    ``pause``: seconds between requests.
    """

    def __init__(
        self,
        target: Target,
        number: int,
        stop: threading.Event,
        *,
        pause: float = 0.0,
        protocol: Protocol = OWN,
    ) -> None:
        super().__init__(name=f"client-{number}")
        self.replies: list[Reply] = []
        self._target, self._number, self._stop_now = target, number, stop
        self._pause, self._protocol = pause, protocol

    def run(self) -> None:
        path = self._protocol.path.format(model=self._target.model)
        headers = self._target.headers()
        connection = self._target.connect()
        while not self._stop_now.is_set():
            start = time.monotonic()
            try:
                connection.request("POST", path, self._protocol.body, headers)
                reply = connection.getresponse()
                body = json.loads(reply.read())
            except (OSError, http.client.HTTPException):
                self._note(start, 0, {}, None)
                connection.close()
                connection = self._target.connect()
                continue
            self._note(start, reply.status, body, reply.headers.get("X-Model-Version"))
            if self._pause:
                time.sleep(self._pause)
        connection.close()

    def _note(self, start: float, status: int, body: dict[str, Any], header: str | None) -> None:
        named = int(header or 0)
        version, prediction = self._protocol.read(body, named) if status == 200 else (0, None)
        self.replies.append(
            Reply(
                client=self._number,
                start=start,
                end=time.monotonic(),
                status=status,
                version=version,
                header_version=named,
                prediction=prediction,
            )
        )


def swap(
    target: Target,
    versions: dict[int, object],
    moves: int,
    connections: int,
    *,
    pause: float = 0.0,
    steady: float = STEADY_SECONDS,
    client_pause: float = 0.0,
    protocols: Sequence[Protocol] = (OWN,),
    splits: bool = False,
) -> tuple[list[Reply], list[Move]]:
    """Move the alias ``moves`` times under load; ``versions`` maps numbers to predictions.

    ``pause``: seconds after each move; ``client_pause``: seconds between a client's requests;
    ``protocols``: the clients take turns with these; ``splits``: also split the alias, change the
    weights and end the split.
    """
    numbers = sorted(versions)
    done = [promoted(target, numbers[0], numbers[0])]
    stop = threading.Event()
    clients = [
        Client(target, number, stop, pause=client_pause, protocol=protocol)
        for number, protocol in zip(range(connections), cycle(protocols), strict=False)
    ]
    for client in clients:
        client.start()
    time.sleep(steady)
    kinds = cycle(SPLIT_MOVES if splits else MOVES)
    try:
        for _, kind in zip(range(moves), kinds, strict=False):
            current = done[-1].version
            done.append(kind(target, current, next(n for n in numbers if n != current)))
            time.sleep(pause)
    finally:
        stop.set()
        for client in clients:
            client.join()
    return [reply for client in clients for reply in client.replies], done


@contextmanager
def killing(pids: Callable[[], list[int]], every: float) -> Iterator[list[float]]:
    """Kill one of the processes every ``every`` seconds until the block ends; yields the times."""
    stop, killed = threading.Event(), list[float]()

    def kill() -> None:
        while not stop.wait(every):
            alive = pids()
            if alive:
                killed.append(time.monotonic())
                os.kill(random.choice(alive), signal.SIGKILL)  # noqa: S311 - any worker will do

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        stop.set()
        killer.join()


def report(verdict: Verdict, replies: list[Reply], moves: list[Move]) -> str:
    """The figures, as lines to print."""
    good = [reply for reply in replies if reply.status == 200]
    steady = [reply for reply in good if reply.end < moves[1].start]
    near = near_a_move(good, moves[1:], NEAR_SECONDS)
    took = [move.end - move.start for move in moves[1:]]
    lines = [
        f"moves            {len(moves) - 1}, median {quantile(took, 0.5) * 1e3:.1f} ms",
        f"replies          {verdict.replies}",
        f"failed           {len(verdict.failed)}",
        f"torn             {len(verdict.torn)}",
        f"stale            {len(verdict.stale)}",
        f"backwards        {len(verdict.backwards)}",
    ]
    slowest = []
    for name, part in (("steady", steady), ("near a move", near)):
        times = [reply.end - reply.start for reply in part]
        p50, p99 = (quantile(times, share) * 1e3 for share in (0.5, 0.99))
        lines.append(f"{name:<16} p50 {p50:.2f} ms, p99 {p99:.2f} ms, {len(times)} replies")
        slowest.append(p99)
    lines.append(f"p99 near a move  {slowest[1] / slowest[0]:.2f} times the steady one")
    return "\n".join(lines)


@cache
def constant_model(value: float) -> bytes:
    """A linear regression that predicts ``value`` for every row of two numbers."""
    import numpy as np
    import skops.io
    from sklearn.linear_model import LinearRegression

    rows = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    return bytes(skops.io.dumps(LinearRegression().fit(rows, np.full(3, value))))


def main() -> int:
    """Run the test; 0 if no response was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--port", type=int, default=8450)
    parser.add_argument("--kill-every", type=float, metavar="SECONDS")
    arguments = parser.parse_args()
    with running_service(workers=2, port=arguments.port) as service:
        target = Target(service.url, TOKEN)
        answers: dict[int, object] = {
            upload(service, target.model, constant_model(value)): value for value in (100.0, 200.0)
        }
        killer = (
            killing(service.workers, arguments.kill_every)
            if arguments.kill_every
            else nullcontext(list[float]())
        )
        with killer as killed:
            replies, moves = swap(
                target, answers, arguments.moves, arguments.connections, splits=True
            )
    broken = [reply for reply in replies if reply.status == 0]
    whole = [reply for reply in replies if reply.status != 0] if arguments.kill_every else replies
    verdict = check(whole, moves, answers)
    print(report(verdict, whole, moves))
    excused = not arguments.kill_every or _print_killed(killed, broken, arguments.connections)
    return 0 if verdict.clean and excused else 1


def _print_killed(killed: list[float], broken: list[Reply], connections: int) -> bool:
    """Whether every broken connection is explained by a killed worker."""
    unexcused = unexplained(broken, killed)
    print(f"killed workers   {len(killed)}")
    print(f"broken           {len(broken)} connections, {len(unexcused)} of them without a kill")
    return not unexcused and len(broken) <= connections * len(killed)


if __name__ == "__main__":
    sys.exit(main())
