"""Which cases of a parametrized test run in ``make test``."""

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest


def first_fast(cases: Iterable[Any], count: int = 1) -> list[Any]:
    """The first ``count`` of ``cases`` as they are; the others are left to ``make test-slow``."""
    given = list(cases)
    return [*given[:count], *(left_to_slow(case) for case in given[count:])]


def third_fast(cases: Iterable[Any]) -> list[Any]:
    """Every third of ``cases``, which are many and much alike; the others are left to
    ``make test-slow``."""
    return [case if at % 3 == 0 else left_to_slow(case) for at, case in enumerate(cases)]


def left_to_slow(case: Any) -> Any:
    """One value of a case, or several as a tuple, marked slow."""
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.slow)


def each_once(*axes: Iterable[Any]) -> list[Any]:
    """Every combination of the values of ``axes``. As many as the longest has values stay in
    ``make test``, so that each value is in one of them; the others are left to ``make test-slow``.
    """
    sides = [list(axis) for axis in axes]
    fast = {tuple(at % len(side) for side in sides) for at in range(max(map(len, sides)))}
    return [
        pytest.param(
            *(side[place] for side, place in zip(sides, places, strict=True)),
            marks=() if places in fast else pytest.mark.slow,
        )
        for places in product(*(range(len(side)) for side in sides))
    ]
