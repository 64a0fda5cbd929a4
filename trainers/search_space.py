"""Which parameters a recipe's search tries, and how."""

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
"""The metric of a search that names none."""


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from ``low`` to ``high``, inclusive; whole numbers if both ends are whole.

    ``log``: drawn uniformly on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def mistakes(self) -> list[tuple[str, str]]:
        """The mistakes in it: the key, and what is wrong."""
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            return [("low", f"is empty: low {self.low} must be below high {self.high}")]
        if self.log and self.low <= 0:
            return [("low", f"has no logarithm at low = {self.low}: it must be above 0")]
        return []

    def to_json(self) -> dict[str, Any]:
        bounds = {"low": self.low, "high": self.high}
        return {**bounds, "log": True} if self.log else bounds


Choices = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search for the best parameters by cross-validation on the rows to train on.

    ``grid`` tries every combination of the lists in ``params``, ``random`` draws ``draws`` of them
    from lists and ranges. The best is chosen by ``metric``; empty: rmse or log_loss, by task.
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
        """The number of combinations; None if a range of fractions makes it infinite."""
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
        """The number of combinations that are tried."""
        return self.draws if self.method == "random" else self.combinations or 0

    def mistakes(self) -> list[tuple[Path, str]]:
        """The mistakes in it: the path below ``search``, and what is wrong."""
        if self.method not in SEARCH_METHODS:
            said = f"search.method must be one of {', '.join(SEARCH_METHODS)}, not {self.method!r}"
            return [(("method",), said)]
        found: list[tuple[Path, str]] = []
        if not 2 <= self.folds <= MAX_FOLDS:
            said = f"search.folds must be a whole number from 2 to {MAX_FOLDS}, not {self.folds}"
            found.append((("folds",), said))
        found += self._space_mistakes()
        return found or self._count_mistakes()

    def to_json(self) -> dict[str, Any]:
        """The same as a table of a recipe."""
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
                    said = "a grid requires lists of values: write one, or use method = 'random'"
                    found.append((at, f"search.params.{name} is a range; {said}"))
            elif not space:
                found.append((at, f"search.params.{name} is empty: give values to try"))
            elif len({repr(value) for value in space}) < len(space):
                found.append((at, f"search.params.{name} has a value twice"))
        return found

    def _count_mistakes(self) -> list[tuple[Path, str]]:
        count = self.combinations
        if count == 1:
            said = "search.params has only one combination: move it to params, or give more values"
            return [(("params",), said)]
        if self.method == "random":
            return self._draws_mistakes(count)
        if count is not None and count > MAX_CANDIDATES:
            said = f"search.params has {count:,} combinations; at most {MAX_CANDIDATES:,} are tried"
            return [(("params",), f"{said}: give fewer values, or use method = 'random'")]
        return []

    def _draws_mistakes(self, count: int | None) -> list[tuple[Path, str]]:
        if not 1 <= self.draws <= MAX_CANDIDATES:
            said = f"search.draws must be from 1 to {MAX_CANDIDATES:,}, not {self.draws}"
            return [(("draws",), said)]
        if count is not None and self.draws > count:
            said = f"search.draws is {self.draws:,}, and there are only {count:,} combinations"
            return [(("draws",), f"{said}: draw fewer, or try all with method = 'grid'")]
        return []
