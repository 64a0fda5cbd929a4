"""What a swap test records, and the check of its responses.

Times are seconds of one monotonic clock. One client makes the moves one after the other; each is an
answered promotion or rollback.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KILL_SECONDS = 0.1
"""The longest time until the connections of a killed process are closed."""


@dataclass(frozen=True, slots=True)
class Move:
    """A move of the alias to ``version``, requested at ``start``, answered at ``end``."""

    start: float
    end: float
    version: int

    def answers(self, key: bytes) -> int:  # noqa: ARG002 - for moves that split the alias
        """The version that answers requests with this key after the move."""
        return self.version


@dataclass(frozen=True, slots=True)
class Reply:
    """A response to one client. ``status`` 0: the connection broke before a response; ``key``: that
    of the request."""

    client: int
    start: float
    end: float
    status: int
    version: int
    header_version: int
    prediction: object
    key: bytes = b""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The number of responses, and the wrong ones by kind of error."""

    replies: int
    failed: Sequence[Reply]
    torn: Sequence[Reply]
    stale: Sequence[Reply]
    backwards: Sequence[Reply]

    @property
    def clean(self) -> bool:
        return not (self.failed or self.torn or self.stale or self.backwards)


def check(
    replies: Sequence[Reply], moves: Sequence[Move], answers: Mapping[int, object]
) -> Verdict:
    """Check every response.

    ``answers`` maps each version to its prediction for the row, all different. The first of
    ``moves`` was answered before the first request. A response is

    - failed, if it is not 200;
    - torn, if its version, its header and its prediction do not match;
    - stale, if its version is neither that of the last move answered before its start, nor that of
      a move that was in progress before its end;
    - backwards, if the same client had already seen a later move.
    """
    starts = [move.start for move in moves]
    ends = [move.end for move in moves]
    failed, torn, stale, backwards = [], [], [], []
    seen: dict[int, int] = {}
    for reply in sorted(replies, key=lambda one: one.start):
        if reply.status != 200:
            failed.append(reply)
            continue
        if reply.version != reply.header_version or answers[reply.version] != reply.prediction:
            torn.append(reply)
        first = bisect_right(ends, reply.start) - 1
        last = bisect_right(starts, reply.end)
        allowed = range(first, max(first + 1, last))
        fitting = [index for index in allowed if moves[index].answers(reply.key) == reply.version]
        if not fitting:
            stale.append(reply)
            continue
        later = [index for index in fitting if index >= seen.get(reply.client, 0)]
        if not later:
            backwards.append(reply)
            continue
        seen[reply.client] = later[0]
    return Verdict(len(replies), failed, torn, stale, backwards)


def unexplained(
    broken: Sequence[Reply], killed: Sequence[float], within: float = KILL_SECONDS
) -> list[Reply]:
    """The broken connections without a kill during the request, or at most ``within`` seconds
    before it began or after it broke."""
    return [
        reply
        for reply in broken
        if not any(reply.start - within <= moment <= reply.end + within for moment in killed)
    ]


def quantile(values: Sequence[float], share: float) -> float:
    """The ``share`` quantile of ``values``, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def near_a_move(replies: Sequence[Reply], moves: Sequence[Move], within: float) -> list[Reply]:
    """Responses in progress at most ``within`` seconds from the end of a move."""
    ends = [move.end for move in moves]
    near = []
    for reply in replies:
        index = bisect_right(ends, reply.start - within)
        if index < len(ends) and ends[index] <= reply.end + within:
            near.append(reply)
    return near
