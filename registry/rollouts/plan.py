"""The plan of a rollout.

    {"steps": [{"weight": 5, "minutes": 10, "requests": 2000}, {"weight": 25, "minutes": 30},
               {"weight": 100}],
     "guards": ["faults <= champion * 2 + 0.5%", "slow <= champion * 2 + 1%"],
     "require": ["rmse <= champion * 1.02 @ 95%"],
     "by": "header", "deadline": "24h", "at_deadline": "hold", "unwatched": "hold", "bake": 60}

Only ``steps`` is required. The last step has the weight 100 and is a promotion, after which guards
apply for ``bake`` minutes.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, Literal, get_args

from registry.errors import Fault, GateMalformed, GuardMalformed, PlanMalformed, shown
from registry.gates.grammar import Gate, parse_all
from registry.guards.grammar import Guard, parse_guards
from registry.splits.buckets import BUCKETS
from registry.splits.choice import SPLIT_BY, SplitBy
from registry.splits.weights import percentage

AtDeadline = Literal["hold", "abort", "promote"]
Unwatched = Literal["hold", "abort"]

DEFAULT_GUARDS = ("faults <= champion * 2 + 0.5%", "slow <= champion * 2 + 1%")
MOST_STEPS = 20
MOST_MINUTES = 7 * 24 * 60.0
MOST_REQUESTS = 10**9
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(rf"([1-9][0-9]{{0,6}})([{''.join(_UNITS)}])")
_MOST_DEADLINE = timedelta(days=30)
_LIVE = re.compile(r"\s*live\s*\.")


@dataclass(frozen=True, slots=True)
class Step:
    """A share of the requests for the new version, the canary.

    ``weight`` is in basis points. The step takes at least ``minutes``, and until both versions had
    ``requests``.
    """

    weight: int
    minutes: float = 0.0
    requests: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``deadline`` counts from the start; ``bake`` is in minutes."""

    steps: tuple[Step, ...]
    guards: tuple[Guard, ...]
    require: tuple[Gate, ...] = ()
    by: SplitBy = "header"
    deadline: str = "24h"
    at_deadline: AtDeadline = "hold"
    unwatched: Unwatched = "hold"
    bake: float = 60.0

    @property
    def deadline_after(self) -> timedelta:
        """``deadline`` as a duration."""
        return _duration(self.deadline)

    @property
    def last(self) -> int:
        """The place of the last step, the promotion."""
        return len(self.steps) - 1

    def to_json(self) -> dict[str, Any]:
        """As ``parse_plan`` reads it, with all defaults."""
        shares: list[dict[str, Any]] = [
            {"weight": percentage(one.weight), "minutes": _plain(one.minutes)}
            | {"requests": one.requests}
            for one in self.steps[:-1]
        ]
        return {
            "steps": [*shares, {"weight": 100}],
            "guards": [guard.text for guard in self.guards],
            "require": [gate.text for gate in self.require],
            "by": self.by,
            "deadline": self.deadline,
            "at_deadline": self.at_deadline,
            "unwatched": self.unwatched,
            "bake": _plain(self.bake),
        }


def parse_plan(raw: Mapping[str, Any]) -> Plan:
    """Read the plan of a new rollout.

    Raises PlanMalformed with a fault for each part that is invalid.
    """
    plan = stored_plan(raw)
    needed = sum(step.minutes for step in plan.steps)
    given = plan.deadline_after / timedelta(minutes=1)
    if needed >= given:
        raise _fault(
            "deadline",
            f"expected more than {needed:,g} minutes, which the steps take; {plan.deadline} is "
            f"{given:,g} minutes",
        )
    return plan


def stored_plan(raw: Mapping[str, Any]) -> Plan:
    """Read the plan of a rollout that was accepted, by an earlier release with fewer checks.

    Raises PlanMalformed.
    """
    faults = [
        Fault(str(name), f"is unknown; a plan has {', '.join(_PARTS)}")
        for name in raw
        if name not in _PARTS
    ]
    values: dict[str, Any] = {}
    for name, (read, default) in _PARTS.items():
        try:
            values[name] = read(raw.get(name, default), name)
        except (PlanMalformed, GateMalformed, GuardMalformed) as error:
            faults += error.faults
    if faults:
        raise PlanMalformed(faults)
    return Plan(**values)


def _steps(raw: object, at: str) -> tuple[Step, ...]:
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        raise _fault(at, "expected a list of steps")
    if not 2 <= len(raw) <= MOST_STEPS:
        raise _fault(at, f"expected 2 to {MOST_STEPS} steps, of which the last has the weight 100")
    steps: list[Step] = []
    faults: list[Fault] = []
    for index, one in enumerate(raw):
        try:
            steps.append(_step(one, f"{at}[{index}]", is_last=index == len(raw) - 1))
        except PlanMalformed as error:
            faults += error.faults
    if faults:
        raise PlanMalformed(faults)
    for index, (before, after) in enumerate(pairwise(steps), 1):
        if after.weight <= before.weight:
            raise _fault(f"{at}[{index}].weight", "expected more than in the step before")
    return tuple(steps)


def _step(raw: object, at: str, *, is_last: bool) -> Step:
    if not isinstance(raw, Mapping):
        raise _fault(at, "expected an object with a weight")
    if is_last:
        if dict(raw) != {"weight": 100}:
            raise _fault(at, "expected the weight 100 alone: the last step is the promotion")
        return Step(BUCKETS)
    if unknown := [name for name in raw if name not in {"weight", "minutes", "requests"}]:
        raise _fault(f"{at}.{unknown[0]}", "is unknown; a step has weight, minutes, requests")
    weight = _number(raw.get("weight"), f"{at}.weight", "a percentage above 0 and below 100", 100)
    points = round(weight * 100)
    if weight == 100 or points < 1 or abs(weight * 100 - points) > 1e-9:
        raise _fault(
            f"{at}.weight", "expected a percentage above 0 and below 100, with up to two decimals"
        )
    limit = f"minutes above 0 and up to {MOST_MINUTES:,.0f}"
    minutes = _number(raw.get("minutes"), f"{at}.minutes", limit, MOST_MINUTES)
    requests = raw.get("requests", 1)
    if not isinstance(requests, int) or isinstance(requests, bool):
        raise _fault(f"{at}.requests", "expected a whole number")
    if not 1 <= requests <= MOST_REQUESTS:
        raise _fault(f"{at}.requests", f"expected 1 to {MOST_REQUESTS:,}")
    return Step(points, minutes, requests)


def _number(raw: object, at: str, expected: str, most: float, *, zero: bool = False) -> float:
    """A number above 0, or from 0 on, and up to ``most``."""
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        raise _fault(at, f"expected {expected}")
    if not (0 < raw <= most or (zero and raw == 0)):
        raise _fault(at, f"expected {expected}")
    return float(raw)


def _bake(raw: object, at: str) -> float:
    return _number(raw, at, f"minutes from 0 to {MOST_MINUTES:,.0f}", MOST_MINUTES, zero=True)


def _guards(raw: object, at: str) -> tuple[Guard, ...]:
    return parse_guards(_texts(raw, at), at)


def _require(raw: object, at: str) -> tuple[Gate, ...]:
    texts = _texts(raw, at)
    for index, text in enumerate(texts):
        if _LIVE.match(text):
            raise _fault(
                f"{at}[{index}]",
                f"{shown(text)}: metrics of live predictions are unavailable, since this release "
                "takes no feedback",
            )
    return parse_all(texts, at)


def _texts(raw: object, at: str) -> list[str]:
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        raise _fault(at, "expected a list of conditions")
    if not all(isinstance(one, str) for one in raw):
        raise _fault(at, "expected a list of texts")
    return list(raw)


def _deadline(raw: object, at: str) -> str:
    found = _DURATION.fullmatch(raw) if isinstance(raw, str) else None
    if found is None or _duration(found.group()) > _MOST_DEADLINE:
        raise _fault(at, "expected a duration of up to 30d, such as 90m, 24h or 7d")
    return found.group()


def _duration(text: str) -> timedelta:
    return timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]])


def _one_of(known: tuple[str, ...]) -> Callable[[object, str], str]:
    def read(raw: object, at: str) -> str:
        if not isinstance(raw, str) or raw not in known:
            raise _fault(at, f"expected one of {', '.join(known)}")
        return raw

    return read


_PARTS: Mapping[str, tuple[Callable[[object, str], object], object]] = {
    "steps": (_steps, ()),
    "guards": (_guards, DEFAULT_GUARDS),
    "require": (_require, ()),
    "by": (_one_of(SPLIT_BY), "header"),
    "deadline": (_deadline, "24h"),
    "at_deadline": (_one_of(get_args(AtDeadline)), "hold"),
    "unwatched": (_one_of(get_args(Unwatched)), "hold"),
    "bake": (_bake, 60),
}
"""How each part is read, and its default."""


def _fault(at: str, message: str) -> PlanMalformed:
    return PlanMalformed([Fault(at, message)])


def _plain(number: float) -> float | int:
    """Without a fraction if it has none, as people write it."""
    return int(number) if number.is_integer() else number
