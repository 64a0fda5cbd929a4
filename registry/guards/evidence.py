"""Sequential tests of whether the canary's rate of bad events is above a limit.

The limit is ``r`` times the champion's rate plus ``f``. One bet is made against it for each
alternative of ``GRID``. An interval, usually of a second, in which the canary had ``k`` bad events
in ``n`` requests, and the champion ``k'`` in ``n'``, multiplies the wealth of the bet ``g`` by

    g^k / A^(k + k') / (1 + f x)^n      s = n / n'
                                        A = (1 + g r s) / (1 + r s)
                                        x = (g - 1) / (1 + g r s)

so a bad event of the canary by ``1 + x`` and one of the champion by ``1 / A``. For ``f = 0`` that
is the likelihood ratio of "the next bad event is the canary's", and for ``r = 0`` that of the
canary's rate alone.

Within the limit the expected factor is at most 1, whatever the rates are in each interval: with
mean rates ``p <= r p' + f`` and independent requests it is at most
``((1 + p x) / (1 + f x))^n (1 - p' (1 - 1/A))^n'``, whose logarithm is at most
``n (p - f) x / (1 + f x) - n' p' (1 - 1/A) <= n r p' x - n' p' (1 - 1/A) = 0``. So the wealth is a
supermartingale, and by Ville's inequality the probability that it is ever ``1 / alpha`` times the
initial one is at most ``alpha``.

A bet that has lost for an hour could not win it back within minutes when the canary then breaks. So
only half of the initial wealth is bet at once. The other half is a reserve, of which a part is
added to the bets after each interval; ``t`` intervals leave ``(t + 1)^(-1/2) / 2``. What is added
depends on no outcome, so bets and reserve together remain a supermartingale.

Ville (1939), Étude critique de la notion de collectif. Ramdas, Grünwald, Vovk and Shafer (2023),
Game-theoretic statistics and safe anytime-valid inference.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from registry.guards.limit import Limit

Verdict = Literal["passed", "failed", "undecided"]
Floats = NDArray[np.float64]
Bets = tuple[float, float, float, float, float, float, float, float]
"""A number for each alternative of ``GRID``."""

ALPHA = 0.01
"""The probability at most that a guard ever fails while the canary is within the limit."""
GRID = np.array([1.25, 2.0, 4.0, 10.0, 30.0, 100.0, 300.0, 1000.0])
"""The alternatives: by what the odds that a bad event is the canary's exceed those at the limit."""


class ArmCounts(NamedTuple):
    """Requests of an arm, and how many of them were bad events."""

    requests: int
    bad: int

    def plus(self, other: "ArmCounts") -> "ArmCounts":
        """The sums of both."""
        return ArmCounts(self.requests + other.requests, self.bad + other.bad)


NOTHING = ArmCounts(0, 0)


INITIAL_BET = 0.5 / len(GRID)
"""Of the initial wealth of 1, on each alternative."""

_FIRST = math.log(INITIAL_BET)
_FIRST_BETS: Bets = (_FIRST, _FIRST, _FIRST, _FIRST, _FIRST, _FIRST, _FIRST, _FIRST)

ArmArrays = tuple[ArrayLike, ArrayLike]
"""Requests and bad events, as ``ArmCounts`` or as arrays of one shape."""


def log_factors(limit: Limit, canary: ArmArrays, champion: ArmArrays) -> Floats:
    """Logarithms of what an interval multiplies the bets by; the alternatives are the last axis.

    The champion's counts are not used where the limit does not depend on it. Otherwise both arms
    must have had requests.
    """
    requests, bad = (np.asarray(one, np.float64)[..., np.newaxis] for one in canary)
    if limit.scale == 0:
        alone: Floats = bad * np.log(GRID) - requests * np.log1p(limit.shift * (GRID - 1))
        return alone
    others, others_bad = (np.asarray(one, np.float64)[..., np.newaxis] for one in champion)
    odds = limit.scale * requests / others
    gain = (GRID - 1) / (1 + GRID * odds)
    log_a = np.log1p(odds * (GRID - 1) / (1 + odds))
    factors: Floats = (
        bad * np.log(GRID) - (bad + others_bad) * log_a - requests * np.log1p(limit.shift * gain)
    )
    return factors


def after_interval(log_bets: Floats, intervals: ArrayLike, factors: Floats) -> Floats:
    """The logarithms of the bets after one more interval, the addition from the reserve included.

    ``intervals``: how many there were before. ``factors``: those of ``log_factors``.
    """
    before = np.asarray(intervals, np.float64)[..., np.newaxis] + 1
    after = before + 1
    # The difference of the reserves (t + 1)^(-1/2) / 2, without cancellation.
    added = 0.5 / ((np.sqrt(after) + np.sqrt(before)) * np.sqrt(before * after))
    return np.logaddexp(log_bets + factors, np.log(added / len(GRID)))


def log_wealth(log_bets: Floats, intervals: ArrayLike) -> Floats:
    """The logarithm of bets and reserve together, the e-value; 0 is the initial one."""
    reserve = np.log(0.5) - 0.5 * np.log(np.asarray(intervals, np.float64) + 1)
    total: Floats = np.logaddexp(np.logaddexp.reduce(log_bets, axis=-1), reserve)
    return total


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the counts so far say about one limit.

    ``intervals``: those that were added, ``log_bets``: the logarithms of the bets after them.
    ``canary`` and ``champion``: counts that wait until both arms have had requests, since nothing
    can be compared in an interval without. JSON keeps all numbers exactly.
    """

    intervals: int = 0
    log_bets: Bets = _FIRST_BETS
    canary: ArmCounts = NOTHING
    champion: ArmCounts = NOTHING

    def after(self, limit: Limit, canary: ArmCounts, champion: ArmCounts) -> "Evidence":
        """With the counts of an interval, in which ``limit`` applied.

        Raises ValueError for negative counts, and for more bad events than requests.
        """
        canary, champion = self.canary.plus(canary), self.champion.plus(champion)
        if not (0 <= canary.bad <= canary.requests and 0 <= champion.bad <= champion.requests):
            raise ValueError(f"impossible counts: canary {canary}, champion {champion}")
        if not canary.requests or (limit.scale and not champion.requests):
            return replace(self, canary=canary, champion=champion)
        factors = log_factors(limit, canary, champion)
        bets = after_interval(np.array(self.log_bets), self.intervals, factors)
        return Evidence(self.intervals + 1, cast("Bets", tuple(bets.tolist())))

    @property
    def log_e_value(self) -> float:
        """Natural logarithm of the e-value; the e-value itself may be too large for a float."""
        return float(log_wealth(np.array(self.log_bets), self.intervals))

    def verdict(self, since: int = 0) -> Verdict:
        """``failed``: the canary is above the limit; this is wrong with probability ``ALPHA``.

        ``passed``: the counts say nothing against the canary, so a step may end. ``undecided``:
        they speak against it (an e-value above 1) without being enough, or nothing was compared
        after the first ``since`` intervals, those before the step.
        """
        log_e_value = self.log_e_value
        if log_e_value >= -math.log(ALPHA):
            return "failed"
        return "undecided" if self.intervals <= since or log_e_value > 0 else "passed"
