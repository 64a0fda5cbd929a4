"""Which cases of a parametrized test run in ``make test``."""

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest


def first_fast(cases: Iterable[Any]) -> list[Any]:
    """The first of ``cases`` as it is; the others are left to ``make test-slow``."""
    first, *others = cases
    return [first, *(pytest.param(case, marks=pytest.mark.slow) for case in others)]


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
