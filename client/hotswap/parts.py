"""Predicts a batch, in parts if it is too large for one request."""

import csv
import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from hotswap.batches import Batch
from hotswap.errors import ProblemReply, ReplyNotUnderstood, TooLarge
from hotswap.problems import PredictionRefused

Send = Callable[[bytes, int | None], dict[str, Any]]
"""Sends a body to the version with this number, or to the requested version; returns the reply."""

_ROW = re.compile(r"^(\w+\[)(\d+)(\].*)$", re.DOTALL)
"""``instances[3].x`` of JSON rows and ``rows[3].x`` of CSV and Arrow."""
_CELL = re.compile(r"^(inputs\..*\[)(\d+)(\])$", re.DOTALL)
"""``inputs.x[3]`` of JSON columns."""

_ROWS_IN_TEXT = re.compile(r"\brows? \d+(?:, \d+)*", re.IGNORECASE)
"""``row 3`` and ``Rows 3, 7`` in the text of a refused prediction."""
_NUMBER = re.compile(r"\d+")


@dataclass(slots=True)
class Limit:
    """The largest body that the service accepts, as far as known; a response 413 lowers it."""

    bytes: int


@dataclass(slots=True)
class _Reply:
    """The joined replies to the parts so far, all of the same version."""

    content: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> int | None:
        return self.content.get("version")

    def add(self, part: dict[str, Any]) -> None:
        if not self.content:
            self.content = part
            return
        for key in ("predictions", "probabilities", "scores"):
            if key in self.content:
                self.content[key] = self.content[key] + part[key]


def predict_in_parts(batch: Batch, limit: Limit, send: Send) -> dict[str, Any]:
    """The reply to the whole batch, with its rows in order.

    The version that replies to the first part predicts all of them. Row numbers in errors are
    counted from the first row of the batch. Raises what ``send`` raises, and TooLarge with the
    number of a row that is too large by itself.
    """
    reply = _Reply()
    waiting = [(0, batch.count)]
    while waiting:
        start, stop = waiting.pop()
        body = batch.encode(start, stop)
        pieces = min(math.ceil(len(body) / limit.bytes), stop - start)
        if pieces > 1:
            waiting += _cut(start, stop, pieces)
            continue
        try:
            reply.add(send(body, reply.version))
        except (TooLarge, ReplyNotUnderstood) as error:
            if error.status != TooLarge.STATUS:
                raise
            if stop - start <= 1:
                raise _row_too_large(error, start, len(body)) from error
            limit.bytes = max(1, min(limit.bytes, len(body) // 2))
            waiting.append((start, stop))
        except ProblemReply as error:
            count_on(error, start)
            raise
    return reply.content


def _row_too_large(error: TooLarge | ReplyNotUnderstood, row: int, size: int) -> TooLarge:
    """The error for one row that is refused with 413, by the service or by a proxy."""
    at, said = f"rows[{row}]", error.detail if isinstance(error, TooLarge) else error.why
    detail = f"{at} is too large to be predicted, {size:,} bytes in a request of its own: {said}"
    before = error.problem if isinstance(error, TooLarge) else {"request_id": error.request_id}
    faults = [{"at": at, "message": "is too large"}]
    return TooLarge({**before, "detail": detail, "errors": faults}, TooLarge.STATUS)


def _cut(start: int, stop: int, pieces: int) -> list[tuple[int, int]]:
    """The rows in pieces of about equal length, in reverse, because the last one is taken first."""
    edges = [start + (stop - start) * piece // pieces for piece in range(pieces + 1)]
    return list(pairwise(edges))[::-1]


def count_on(error: ProblemReply, start: int) -> None:
    """Add ``start`` to the row numbers in ``error``, also in its text."""
    if not start:
        return
    if isinstance(error, PredictionRefused):
        error.detail = _ROWS_IN_TEXT.sub(
            lambda found: _NUMBER.sub(lambda number: str(int(number[0]) + start), found[0]),
            error.detail,
        )
        error.args = (error.detail,)
    counted = tuple(replace(fault, at=_counted_on(fault.at, start)) for fault in error.errors)
    for before, after in zip(error.errors, counted, strict=True):
        if before.at in error.detail:
            error.detail = error.detail.replace(before.at, after.at, 1)
            error.args = (error.detail,)
            break  # the text names only the first
    error.errors = counted


def _counted_on(at: str, start: int) -> str:
    found = _ROW.match(at) or _CELL.match(at)
    return at if found is None else f"{found[1]}{int(found[2]) + start}{found[3]}"


def below(text: str) -> str:
    """A CSV file without its header, to append it to another."""
    lines = io.StringIO(text, newline="")
    next(csv.reader(lines), None)
    return lines.read()
