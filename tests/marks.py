"""Which cases of a parametrized test run in ``make test``."""

from collections.abc import Iterable
from typing import Any

import pytest


def first_fast(cases: Iterable[Any]) -> list[Any]:
    """The first of ``cases`` as it is; the others are left to ``make test-slow``."""
    first, *others = cases
    return [first, *(pytest.param(case, marks=pytest.mark.slow) for case in others)]
