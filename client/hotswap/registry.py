"""The service as a Python object, with a method for each operation: see ``hotswap.operations``."""

import time
from contextlib import AbstractContextManager
from typing import Self, cast

from hotswap.errors import ClientError
from hotswap.operations.alerts import Alerts
from hotswap.operations.history import History
from hotswap.operations.holdouts import Holdouts
from hotswap.operations.hosts import Hosts
from hotswap.operations.models import Models
from hotswap.operations.predictions import Predictions
from hotswap.operations.promotions import Promotions
from hotswap.operations.rollouts import Rollouts
from hotswap.operations.splits import Splits
from hotswap.operations.tokens import Tokens
from hotswap.operations.webhooks import Webhooks
from hotswap.parts import Limit
from hotswap.replies import Health
from hotswap.retries import NEVER, Retries, may_pass
from hotswap.transport import Transport

READY_SECONDS = 0.2
"""Between two checks whether the service is ready."""
LARGEST_PREDICTION = 16 * 2**20
"""The largest body that the service accepts by default (HOTSWAP_MAX_PREDICT_MB)."""


class Registry(
    Models,
    Promotions,
    Splits,
    Holdouts,
    History,
    Alerts,
    Rollouts,
    Predictions,
    Tokens,
    Hosts,
    Webhooks,
    AbstractContextManager["Registry"],
):
    """A client of the service at ``url``.

    Every method raises ServiceUnreachable if no response was received, a subclass of ProblemReply
    (see ``hotswap.errors``) if the service refused the request, and ReplyNotUnderstood if the
    response is not one of the service. Names that a URL cannot hold, and idempotency keys that a
    header cannot hold, raise ValueError. Lists are lazy: a page is requested when its first item is
    needed. Not to be shared between threads.

    Broken connections, 429, 502, 503 and 504 are retried as ``Retries`` says, if the request may be
    repeated: reads, predictions, and requests with an idempotency key, which every upload,
    promotion and rollback has (a new one if none is given).
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        timeout: float = 60.0,
        retries: Retries | None = None,
        largest_prediction: int = LARGEST_PREDICTION,
    ) -> None:
        """``timeout`` is in seconds; batches larger than ``largest_prediction`` bytes are sent in
        parts. Raises AddressMalformed."""
        self._address = (url, token, timeout)
        transport = Transport(url, token, timeout, retries or Retries())
        super().__init__(transport, Limit(largest_prediction))

    def with_retries(self, retries: Retries) -> "Registry":
        """A client of the same service with the same token and other retries."""
        return Registry(*self._address, retries, self._limit.bytes)

    @property
    def token(self) -> str | None:
        """The token that the client sends."""
        return self._address[1]

    @property
    def url(self) -> str:
        """The address of the service, without a slash at its end."""
        return self._transport.url

    def public_url(self) -> str:
        """The address of the service for links: its HOTSWAP_PUBLIC_URL, or else ``url``."""
        return str(self._get("/version", "version").get("public_url") or self.url)

    def health(self) -> Health:
        """Whether the service is well; in full for a token with the scope ``admin``."""
        return cast(Health, self._get("/health", "status", "summary"))

    def check(self) -> None:
        """Check by a small request that the service responds and accepts the token."""
        self._transport.request("GET", "/models", query={"page_size": 1})

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Return as soon as the service is ready.

        Raises its last error, or ServiceUnreachable, after ``seconds``.
        """
        url, token, timeout = self._address
        deadline = time.monotonic() + seconds
        transport = Transport(url, token, min(timeout, max(seconds, 1.0)), NEVER)
        try:
            while True:
                try:
                    transport.request("GET", "/readyz")
                except ClientError as error:
                    if not may_pass(error) or time.monotonic() >= deadline:
                        raise
                    time.sleep(READY_SECONDS)
                else:
                    return
        finally:
            transport.close()

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
