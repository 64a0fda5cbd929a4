"""Asks for the predictions of a batch, in parts where it is too large for one request."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from client.errors import ProblemReply, ReplyNotUnderstood, TooLarge
from client.batches import Batch

Ask = Callable[[bytes, int | None], dict[str, Any]]
"""Sends a body, to a version by its number or to the one that was asked for; gives the answer."""

_ROW = re.compile(r"^(\w+\[)(\d+)(\].*)$", re.DOTALL)
"""``instances[3].x`` of rows and ``rows[3].x`` of a table."""
_CELL = re.compile(r"^(inputs\..*\[)(\d+)(\])$", re.DOTALL)
"""``inputs.x[3]`` of columns."""


@dataclass(slots=True)
class Limit:
    """The largest body that the service takes, as far as is known; 413 teaches better."""

    bytes: int


@dataclass(slots=True)
class _Answer:
    """What the parts have answered so far, all by one version."""

    content: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> int | None:
        return self.content.get("version")

    def add(self, part: dict[str, Any]) -> None:
        if not self.content:
            self.content = part
            return
        for key in ("predictions", "probabilities"):
            if key in self.content:
                self.content[key] = self.content[key] + part[key]


def predict_in_parts(batch: Batch, limit: Limit, ask: Ask) -> dict[str, Any]:
    """The answer to the whole batch, its rows in their order.

    The first part decides which version answers them all. What the service says of a row counts
    from the first row of the batch. Raises what ``ask`` raises.
    """
    answer = _Answer()
    waiting = [(0, batch.count)]
    while waiting:
        start, stop = waiting.pop()
        body = batch.encode(start, stop)
        pieces = min(math.ceil(len(body) / limit.bytes), stop - start)
        if pieces > 1:
            waiting += _cut(start, stop, pieces)
            continue
        try:
            answer.add(ask(body, answer.version))
        except (TooLarge, ReplyNotUnderstood) as error:
            if error.status != TooLarge.STATUS or stop - start <= 1:
                raise
            limit.bytes = max(1, min(limit.bytes, len(body) // 2))
            waiting.append((start, stop))
        except ProblemReply as error:
            _count_on(error, start)
            raise
    return answer.content


def _cut(start: int, stop: int, pieces: int) -> list[tuple[int, int]]:
    """The rows in pieces of about equal length, the first one last, where it is taken from."""
    edges = [start + (stop - start) * piece // pieces for piece in range(pieces + 1)]
    return list(pairwise(edges))[::-1]


def _count_on(error: ProblemReply, start: int) -> None:
    """Count the rows that ``error`` names, also in its words, from ``start`` rows earlier."""
    if not start:
        return
    counted = tuple(replace(fault, at=_counted_on(fault.at, start)) for fault in error.errors)
    for before, after in zip(error.errors, counted, strict=True):
        if before.at in error.detail:
            error.detail = error.detail.replace(before.at, after.at, 1)
            error.args = (error.detail,)
            break  # the service names the first
    error.errors = counted


def _counted_on(at: str, start: int) -> str:
    found = _ROW.match(at) or _CELL.match(at)
    return at if found is None else f"{found[1]}{int(found[2]) + start}{found[3]}"
