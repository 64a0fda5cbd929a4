"""When and after how long a failed request is repeated.

Sources: RFC 9110, section 9.2.2 (what may be repeated) and 10.2.3 (Retry-After); "full jitter" as
in M. Brooker, "Exponential Backoff And Jitter" (2015).
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hotswap.errors import ClientError, ProblemReply, ReplyNotUnderstood, ServiceUnreachable

STATUSES = frozenset({429, 502, 503, 504})
"""Statuses of temporary failures, of the service or of a proxy in front of it."""

_MOST_DOUBLINGS = 64
_SAFE = frozenset({"GET", "HEAD", "PUT"})
_KEY = "Idempotency-Key"

Result = TypeVar("Result")


def _sleep(seconds: float, _: ClientError) -> None:
    time.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and how long a request is repeated.

    ``attempts`` includes the first one; 1 never repeats. The n-th wait is drawn uniformly from 0 to
    ``first_wait * 2**(n-1)`` seconds, at most ``longest_wait``. A Retry-After of the service is
    added; one above ``longest_wait`` ends the attempts. ``pause`` waits, and is called with the
    seconds and the error; ``jitter`` returns a number from 0 to 1.
    """

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 30.0
    pause: Callable[[float, ClientError], None] = _sleep
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first_wait < 0 or self.longest_wait < 0:
            raise ValueError("Retries need at least one attempt, and waits must not be negative.")

    def call(self, send: Callable[[], Result], *, repeatable: bool) -> Result:
        """Call ``send`` until it returns, or no further attempt is allowed.

        Raises what ``send`` raised last.
        """
        failures: list[ClientError] = []
        while True:
            try:
                return send()
            except ClientError as error:
                failures.append(error)
                wait = self.wait_after(failures) if repeatable else None
                if wait is None:
                    raise
                self.pause(wait, error)

    def wait_after(self, failures: Sequence[ClientError]) -> float | None:
        """The seconds to wait before the next attempt; None if there is none."""
        last = failures[-1]
        if len(failures) >= self.attempts or not may_pass(last) or _stalled(failures) > 1:
            return None
        requested = getattr(last, "retry_after", None) or 0.0
        if requested > self.longest_wait:
            return None
        # The longest wait is reached by then, and a larger power would overflow a float.
        doubled = min(len(failures) - 1, _MOST_DOUBLINGS)
        ceiling = min(self.longest_wait, self.first_wait * 2.0**doubled)
        return float(requested + self.jitter() * ceiling)


NEVER = Retries(attempts=1)


def may_pass(error: ClientError) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, ServiceUnreachable):
        return error.transient
    return isinstance(error, ProblemReply | ReplyNotUnderstood) and error.status in STATUSES


def is_repeatable(method: str, headers: Mapping[str, str]) -> bool:
    """Whether sending the request twice has the same effect as sending it once."""
    return method in _SAFE or _KEY in headers


def _stalled(failures: Sequence[ClientError]) -> int:
    # Each of them took the full time-out of the caller.
    return sum(isinstance(error, ServiceUnreachable) and error.timed_out for error in failures)
