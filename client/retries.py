"""When a request that failed is sent again, and after how long.

Sources: RFC 9110, section 9.2.2 (what may be repeated) and 10.2.3 (Retry-After); "full jitter" as
in M. Brooker, "Exponential Backoff And Jitter" (2015).
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from client.errors import ClientError, ProblemReply, ReplyNotUnderstood, ServiceUnreachable

STATUSES = frozenset({429, 502, 503, 504})
"""What a service, or a proxy before it, says when it may answer otherwise a moment later."""

_MOST_DOUBLINGS = 64
_SAFE = frozenset({"GET", "HEAD", "PUT"})
_KEY = "Idempotency-Key"

Answer = TypeVar("Answer")


def _sleep(seconds: float, _: ClientError) -> None:
    time.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and how patiently a request is repeated.

    ``attempts`` counts the first one; 1 never repeats. The n-th wait is drawn evenly from 0 to
    ``first_wait * 2**(n-1)`` seconds, at most ``longest_wait``. Where the service asks for a wait
    (Retry-After), that comes on top; where it asks for more than ``longest_wait``, its answer
    stands. ``pause`` waits, and is told for what; ``jitter`` gives a number from 0 to 1.
    """

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 30.0
    pause: Callable[[float, ClientError], None] = _sleep
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first_wait < 0 or self.longest_wait < 0:
            raise ValueError("Retries need one attempt at least, and waits that are not negative.")

    def call(self, send: Callable[[], Answer], *, repeatable: bool) -> Answer:
        """Call ``send`` until it answers or there is no use in trying again.

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
        """The seconds to wait before the next attempt; None where the last failure stands."""
        last = failures[-1]
        if len(failures) >= self.attempts or not may_pass(last) or _stalled(failures) > 1:
            return None
        asked = getattr(last, "retry_after", None) or 0.0
        if asked > self.longest_wait:
            return None
        # By then the longest wait is reached; a power of a day's failures has no float.
        doubled = min(len(failures) - 1, _MOST_DOUBLINGS)
        ceiling = min(self.longest_wait, self.first_wait * 2.0**doubled)
        return float(asked + self.jitter() * ceiling)


NEVER = Retries(attempts=1)


def may_pass(error: ClientError) -> bool:
    """Whether the same request may be answered otherwise a moment later."""
    if isinstance(error, ServiceUnreachable):
        return error.transient
    return isinstance(error, ProblemReply | ReplyNotUnderstood) and error.status in STATUSES


def is_repeatable(method: str, headers: Mapping[str, str]) -> bool:
    """Whether sending the request twice does what sending it once does."""
    return method in _SAFE or _KEY in headers


def _stalled(failures: Sequence[ClientError]) -> int:
    # Each of them has cost the whole time that a caller is ready to wait for an answer.
    return sum(isinstance(error, ServiceUnreachable) and error.timed_out for error in failures)
