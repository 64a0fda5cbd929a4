"""What a swap test records, and the proof that nobody saw anything they should not have.

Times are seconds of one monotonic clock. Moves are made one after the other by one client; each is
a promotion or a rollback that was answered.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KILL_SECONDS = 0.1
"""How long it may take until the connections of a process that was killed are closed."""


@dataclass(frozen=True, slots=True)
class Move:
    """The alias was sent to ``version``; asked for at ``start``, answered at ``end``."""

    start: float
    end: float
    version: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What one client got. ``status`` 0: the connection broke before an answer."""

    client: int
    start: float
    end: float
    status: int
    version: int
    header_version: int
    prediction: object


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many replies there were, and each way in which one was wrong."""

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
    """Hold every reply against what it may have been.

    ``answers`` is what each version predicts for the row that was asked, all different. The first
    of ``moves`` was answered before the first request. A reply is

    - failed, if it is not 200;
    - torn, if its version, its header and its prediction do not belong together;
    - stale, if its version is neither where the last move answered before its start led, nor where
      a move led that was under way before its end;
    - backwards, if the same client had already seen a later move under the alias.
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
        fitting = [index for index in allowed if moves[index].version == reply.version]
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
    """Of the broken connections those that no kill explains: none came while the request was under
    way, or at most ``within`` seconds before it began or after it broke."""
    return [
        reply
        for reply in broken
        if not any(reply.start - within <= moment <= reply.end + within for moment in killed)
    ]


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def near_a_move(replies: Sequence[Reply], moves: Sequence[Move], within: float) -> list[Reply]:
    """Replies that were under way at most ``within`` seconds from the end of a move."""
    ends = [move.end for move in moves]
    near = []
    for reply in replies:
        index = bisect_right(ends, reply.start - within)
        if index < len(ends) and ends[index] <= reply.end + within:
            near.append(reply)
    return near
