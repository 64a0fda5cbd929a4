"""Which parameters a recipe tries, and how it chooses among them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from registry.signature import Task
from trainers.origin import Path

SearchMethod = Literal["grid", "random"]
SEARCH_METHODS: tuple[SearchMethod, ...] = get_args(SearchMethod)
DEFAULT_FOLDS = 5
MAX_FOLDS = 50
DEFAULT_DRAWS = 20
MAX_CANDIDATES = 10_000
DEFAULT_METRIC: Mapping[Task, str] = {"regression": "rmse", "classification": "log_loss"}
"""What is looked at unless it is told."""


@dataclass(frozen=True, slots=True)
class Range:
    """Any number from ``low`` to ``high``, both included; whole numbers where both are whole.

    ``log``: as often between 1 and 10 as between 10 and 100.
    """

    low: float
    high: float
    log: bool = False

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def mistakes(self) -> list[tuple[str, str]]:
        """What is wrong with it: the key, and in words."""
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            return [("low", f"leaves no room: low {self.low} must be below high {self.high}")]
        if self.log and self.low <= 0:
            return [("low", f"has no logarithm at its low end {self.low}: it must be above 0")]
        return []

    def to_json(self) -> dict[str, Any]:
        bounds = {"low": self.low, "high": self.high}
        return {**bounds, "log": True} if self.log else bounds


Choices = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Tries parameters by cross-validation on the rows to train on, and takes the best.

    ``grid`` tries every combination of the lists in ``params``, ``random`` as many as ``draws``
    says, out of lists and ranges. ``metric`` says which is best; empty: rmse or log_loss, by task.
    """

    method: SearchMethod
    params: Mapping[str, Choices | Range] = field(default_factory=dict)
    folds: int = DEFAULT_FOLDS
    draws: int = DEFAULT_DRAWS
    metric: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))

    @property
    def combinations(self) -> int | None:
        """How many combinations there are; None where a range of fractions has no number."""
        count = 1
        for space in self.params.values():
            if isinstance(space, Range):
                if not space.is_whole:
                    return None
                count *= int(space.high - space.low) + 1
            else:
                count *= len(space)
        return count

    @property
    def candidates(self) -> int:
        """How many combinations will be tried."""
        return self.draws if self.method == "random" else self.combinations or 0

    def mistakes(self) -> list[tuple[Path, str]]:
        """What is wrong with it: the path below ``search``, and in words."""
        if self.method not in SEARCH_METHODS:
            said = f"search.method is one of {', '.join(SEARCH_METHODS)}, not {self.method!r}"
            return [(("method",), said)]
        found: list[tuple[Path, str]] = []
        if not 2 <= self.folds <= MAX_FOLDS:
            said = f"search.folds is a whole number from 2 to {MAX_FOLDS}, not {self.folds}"
            found.append((("folds",), said))
        found += self._space_mistakes()
        return found or self._room_mistakes()

    def to_json(self) -> dict[str, Any]:
        """The table of a recipe that says the same."""
        document: dict[str, Any] = {"method": self.method, "folds": self.folds}
        if self.method == "random":
            document["draws"] = self.draws
        if self.metric:
            document["metric"] = self.metric
        document["params"] = {
            name: space.to_json() if isinstance(space, Range) else list(space)
            for name, space in self.params.items()
        }
        return document

    def _space_mistakes(self) -> list[tuple[Path, str]]:
        found: list[tuple[Path, str]] = []
        if not self.params:
            said = "search.params is empty: give each parameter to try a list of values"
            found.append((("params",), said))
        for name, space in self.params.items():
            at: Path = ("params", name)
            if isinstance(space, Range):
                found += [
                    ((*at, key), f"search.params.{name} {said}") for key, said in space.mistakes()
                ]
                if self.method == "grid":
                    said = "a grid tries lists of values: write one, or search at random"
                    found.append((at, f"search.params.{name} is a range; {said}"))
            elif not space:
                found.append((at, f"search.params.{name} is empty: give it values to try"))
            elif len({repr(value) for value in space}) < len(space):
                found.append((at, f"search.params.{name} has a value twice"))
        return found

    def _room_mistakes(self) -> list[tuple[Path, str]]:
        count = self.combinations
        if count == 1:
            said = "search.params leaves one combination, which is nothing to search: put it in "
            return [(("params",), f"{said}params, or give more values")]
        if self.method == "random":
            return self._draws_mistakes(count)
        if count is not None and count > MAX_CANDIDATES:
            said = f"search.params has {count:,} combinations; at most {MAX_CANDIDATES:,} are tried"
            return [(("params",), f"{said}: give fewer values, or search at random")]
        return []

    def _draws_mistakes(self, count: int | None) -> list[tuple[Path, str]]:
        if not 1 <= self.draws <= MAX_CANDIDATES:
            said = f"search.draws is a whole number from 1 to {MAX_CANDIDATES:,}, not {self.draws}"
            return [(("draws",), said)]
        if count is not None and self.draws > count:
            said = f"search.draws asks for {self.draws:,} of {count:,} combinations"
            return [(("draws",), f"{said}: draw fewer, or try them all by method = 'grid'")]
        return []
