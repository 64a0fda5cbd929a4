"""Draws a sample of rows by a seed, in which classes keep their shares, in two passes over them.

The first pass counts the rows of each class, the second takes the rows in their order, so that
memory is needed for the sample alone.
"""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.signature import Task

MAX_CLASSES = 1_000
MAX_NUMBERS = 20
"""Numbers of a target that are taken for classes at most, as by `trainers.target`."""
LEAST = 2
"""Rows of each class, where it has so many: one to train on and one to test on."""


@dataclass(frozen=True, slots=True)
class SampleRule:
    """Draw ``rows`` rows by ``seed``; ``task``: None where it depends on the values of the column
    ``target``."""

    rows: int
    seed: int
    target: str
    task: Task | None = None


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was drawn: ``rows`` of the ``of`` rows of the data; ``stratified``: the classes of the
    target have kept their shares."""

    rows: int
    of: int
    stratified: bool

    def to_json(self) -> dict[str, Any]:
        return {"rows": self.rows, "of": self.of, "stratified": self.stratified}


class Sample:
    """Call `count` for each row, then `takes` for each row in the same order."""

    def __init__(self, rule: SampleRule) -> None:
        self._rule = rule
        self._counts: Counter[str] = Counter()
        self._rows = 0
        self._drawn: _Drawn | None = None

    def count(self, value: object) -> None:
        """Count a row whose target is ``value``."""
        self._rows += 1
        if self._rule.task != "regression" and len(self._counts) <= MAX_CLASSES:
            self._counts[str(value)] += 1

    def takes(self, value: object) -> bool:
        """Whether the next row, whose target is ``value``, is in the sample."""
        drawn = self._drawn = self._drawn or self._prepared()
        return drawn.takes(str(value) if drawn.by_class else "")

    @property
    def drawn(self) -> Sampled:
        return Sampled(min(self._rule.rows, self._rows), self._rows, self._is_stratified())

    def _is_stratified(self) -> bool:
        classes = len(self._counts)
        if self._rule.task == "regression" or not 0 < classes <= MAX_CLASSES:
            return False
        if self._rule.task == "classification" or classes <= MAX_NUMBERS:
            return True
        # A few may be marks of missing values.
        return 2 * sum(map(_is_number, self._counts)) < classes

    def _prepared(self) -> "_Drawn":
        stratified = self._is_stratified()
        counts = self._counts if stratified else Counter({"": self._rows})
        wanted = shares(counts, self._rule.rows)
        return _Drawn(counts, wanted, self._rule.seed, by_class=stratified)


class _Drawn:
    """Draws as many rows of each class as ``wanted`` says, each with the same probability. Without
    ``by_class`` all rows are of the class "".

    Algorithm S of Knuth, The Art of Computer Programming, volume 2, 3.4.2.
    """

    def __init__(
        self, counts: Mapping[str, int], wanted: Mapping[str, int], seed: int, *, by_class: bool
    ) -> None:
        self.by_class = by_class
        self._left = dict(counts)
        self._wanted = dict(wanted)
        self._random = random.Random(seed).random  # noqa: S311 - a sample is no secret

    def takes(self, value: str) -> bool:
        left, wanted = self._left[value], self._wanted[value]
        self._left[value] = left - 1
        if self._random() * left >= wanted:
            return False
        self._wanted[value] = wanted - 1
        return True


def shares(counts: Mapping[str, int], rows: int) -> dict[str, int]:
    """How many of ``rows`` rows each class gets: in proportion to its count by largest remainders,
    but LEAST where it has so many and there are rows for it."""
    total = sum(counts.values())
    if rows >= total:
        return dict(counts)
    least = {value: min(count, LEAST) for value, count in counts.items()}
    if sum(least.values()) > rows:
        least = dict.fromkeys(counts, 0)
    exact = {value: rows * count / total for value, count in counts.items()}
    given = {value: max(int(exact[value]), least[value]) for value in counts}
    # The sort is stable: among equal remainders the class that comes first in the data.
    by_remainder = sorted(counts, key=lambda value: int(exact[value]) - exact[value])
    while (missing := rows - sum(given.values())) > 0:
        for value in [each for each in by_remainder if given[each] < counts[each]][:missing]:
            given[value] += 1
    while (excess := sum(given.values()) - rows) > 0:
        # Those that have most above their proportion.
        reducible = sorted(
            (value for value in given if given[value] > least[value]),
            key=lambda value: exact[value] - given[value],
        )
        for value in reducible[:excess]:
            given[value] -= 1
    return given


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
