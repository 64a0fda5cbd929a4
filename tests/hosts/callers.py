"""Clients of one host: they predict by alias, or by permissions that end, and note every reply."""

import http.client
import json
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import count

from benchmarks.swap_record import Reply
from tests.hosts.hosts import Host
from tests.hosts.record import Permission, Use

BODY = json.dumps({"x0": 1.0, "x1": 2.0}).encode()
PAUSE_SECONDS = 0.02
_PER_CONNECTION = 25
"""Requests, then another connection, which another worker may accept."""
_AGAIN_SECONDS = 0.1
"""The pause after a connection that was refused or broke."""
_LATEST = 3
"""Permissions that a witness uses."""
_numbers = count(1)


class Caller(threading.Thread, ABC):
    """Sends requests to ``host`` without end. Gives up a request after ``patience`` seconds: so
    there is always one that began a short time ago, also while the host is stopped."""

    def __init__(self, host: Host, patience: float) -> None:
        super().__init__(daemon=True)
        self.host = host
        self._patience = patience
        self._ends = threading.Event()

    def end(self) -> None:
        """Send no more requests."""
        self._ends.set()

    def run(self) -> None:
        while not self._ends.is_set():
            connection = http.client.HTTPConnection(
                self.host.address, self.host.port, timeout=self._patience
            )
            number = next(_numbers)
            for _ in range(_PER_CONNECTION):
                if not self.ask(connection, number):
                    break
                if self._ends.wait(PAUSE_SECONDS):
                    break
            connection.close()

    @abstractmethod
    def ask(self, connection: http.client.HTTPConnection, number: int) -> bool:
        """Send a request on the connection with this number, and record the reply; whether there
        was one."""

    def request(
        self, connection: http.client.HTTPConnection, path: str, token: str
    ) -> tuple[int, bytes, str | None]:
        """The status, the body, and the version in the header; the status 0 if there is no answer
        in time."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            connection.request("POST", path, BODY, headers)
            reply = connection.getresponse()
            return reply.status, reply.read(), reply.headers.get("X-Model-Version")
        except (OSError, http.client.HTTPException):
            self._ends.wait(_AGAIN_SECONDS)
            return 0, b"", None


class Predictor(Caller):
    """Predicts with the production alias of ``model``."""

    def __init__(self, host: Host, patience: float, model: str, token: str) -> None:
        super().__init__(host, patience)
        self.model = model
        self.replies: list[Reply] = []
        self._token = token

    def ask(self, connection: http.client.HTTPConnection, number: int) -> bool:
        start = time.monotonic()
        status, said, header = self.request(
            connection, f"/models/{self.model}/predict", self._token
        )
        end = time.monotonic()
        body = json.loads(said) if status == 200 else {}
        self.replies.append(
            Reply(
                client=number,
                start=start,
                end=end,
                status=status,
                version=body.get("version", 0),
                header_version=int(header or 0),
                prediction=body.get("prediction"),
            )
        )
        return status == 200


class Witness(Caller):
    """Uses the last ``latest`` of ``permissions`` in turn, also those that have ended."""

    def __init__(
        self,
        host: Host,
        patience: float,
        permissions: Sequence[Permission],
        *,
        latest: int = _LATEST,
    ) -> None:
        super().__init__(host, patience)
        self.uses: list[Use] = []
        self._permissions = permissions
        self._latest = latest

    def ask(self, connection: http.client.HTTPConnection, _number: int) -> bool:
        latest = list(self._permissions)[-self._latest :]
        if not latest:
            return True
        permission = random.choice(latest)
        start = time.monotonic()
        status, _, _ = self.request(connection, permission.path, permission.token)
        self.uses.append(Use(self.host.number, permission, start, time.monotonic(), status))
        return status != 0
