"""The moves of a swap test. Each is given the version that answers now and another one."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.swap_record import Move

if TYPE_CHECKING:
    from benchmarks.swap import Target


def _moved(target: "Target", current: int, other: int) -> Move:
    """Promote ``other``, or roll back to it if that moves from a higher number."""
    if current > other:
        return _timed(partial(target.post, f"/models/{target.model}/rollback"))
    return promoted(target, current, other)


def promoted(target: "Target", current: int, other: int) -> Move:  # noqa: ARG001 - as the other moves
    """Promote ``other``, which ends a split of which it is a version."""
    return _timed(partial(target.post, f"/models/{target.model}/{other}/promote"))


def begun(target: "Target", current: int, other: int) -> Move:  # noqa: ARG001 - as the other moves
    """Promote ``other``, and end whatever split is active."""
    path = f"/models/{target.model}/{other}/promote"
    return _timed(partial(target.call, "POST", path, {"end_split": True}))


def _split(target: "Target", current: int, other: int) -> Move:
    """Split the alias over both versions; ``current`` answers all."""
    return _weighted(target, {current: 100, other: 0}, current)


def _shifted(target: "Target", current: int, other: int) -> Move:
    """Give all buckets of the split to ``other``."""
    return _weighted(target, {current: 0, other: 100}, other)


def _ended(target: "Target", current: int, other: int) -> Move:  # noqa: ARG001 - the champion gets all
    """End the split."""
    return _timed(partial(target.call, "DELETE", _split_of(target)))


def _weighted(target: "Target", weights: dict[int, int], answers: int) -> Move:
    """Set the weights of the split, by which the version ``answers`` gets all requests."""
    body = {"weights": {str(number): weight for number, weight in weights.items()}}
    move = _timed(partial(target.call, "PUT", _split_of(target), body))
    return replace(move, version=answers)


def _split_of(target: "Target") -> str:
    return f"/models/{target.model}/aliases/production/split"


def _timed(call: Callable[[], dict[str, Any]]) -> Move:
    """The move that ``call`` makes; its answer names the version."""
    start = time.monotonic()
    answer = call()
    return Move(start, time.monotonic(), answer["version"])


MOVES = (_moved,)
SPLIT_MOVES = (
    *(_moved, _split, _shifted, _ended),
    *(_moved, _split, _shifted, _shifted, promoted),
)
"""In turn; a split is over both versions."""
