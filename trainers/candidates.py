"""Which parameter values a search tries: scikit-learn's own grids and samples."""

import math
from typing import Any

from scipy import stats
from sklearn.model_selection import ParameterGrid, ParameterSampler

from trainers.search_space import Choices, Range, Search

Candidate = dict[str, Any]

ATTEMPTS = 100
"""Draws for each requested candidate: short ranges give repeats, which are dropped."""

MAX_LISTED = 2**31
"""The most combinations from which scikit-learn draws without replacement."""


def candidates(rule: Search, seed: int) -> list[Candidate]:
    """Every combination of a grid, or up to ``rule.draws`` different ones drawn by ``seed``."""
    if rule.method == "grid":
        return list(ParameterGrid(dict(rule.params)))
    listed = (rule.combinations or math.inf) <= MAX_LISTED
    spaces = {name: _space(space, listed) for name, space in rule.params.items()}
    without_repeats = not any(hasattr(space, "rvs") for space in spaces.values())
    draws = rule.draws if without_repeats else ATTEMPTS * rule.draws
    found: dict[str, Candidate] = {}
    for drawn in ParameterSampler(spaces, draws, random_state=seed):
        candidate = {name: _plain(rule.params[name], value) for name, value in drawn.items()}
        found.setdefault(repr(candidate), candidate)
        if len(found) == rule.draws:
            break
    return list(found.values())


def _space(space: Choices | Range, listed: bool) -> Any:
    """``space`` in scikit-learn's form: a list, or a scipy distribution."""
    if not isinstance(space, Range):
        return space
    if space.log:
        return stats.loguniform(space.low, space.high)
    if not space.is_whole:
        return stats.uniform(space.low, space.high - space.low)
    low, end = int(space.low), int(space.high) + 1
    return range(low, end) if listed else stats.randint(low, end)


def _plain(space: Choices | Range, value: Any) -> Any:
    """A number drawn from a range as a Python number, within the range."""
    if not isinstance(space, Range):
        return value
    number = min(max(value, space.low), space.high)
    return round(number) if space.is_whole else float(number)
