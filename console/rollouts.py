"""A rollout as pages show it: its steps, its guards, and what a person may do with it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from console.charts.evidence import EvidenceChart, evidence_chart
from console.formats import parse_time
from registry.guards.evidence import ALPHA
from registry.reading.views import View

Verb = Literal["pause", "resume", "abort", "finish"]
VERBS: tuple[Verb, ...] = ("pause", "resume", "abort", "finish")
_STATES: Mapping[Verb, frozenset[str]] = {
    "pause": frozenset({"running", "held"}),
    "resume": frozenset({"paused", "held"}),
    "abort": frozenset({"running", "paused", "held", "baking"}),
    "finish": frozenset({"running", "paused", "held", "baking"}),
}
"""In which states of the rollout each is possible."""
LEVELS = {
    "running": "ok",
    "paused": "",
    "held": "warn",
    "baking": "ok",
    "promoted": "ok",
    "aborted": "",
    "rolled_back": "bad",
    "ended": "",
}
"""The colour of each state; none: grey."""


class Step(NamedTuple):
    """``weight`` in percent; ``place`` relative to the present step. ``minutes`` and ``requests``:
    what it takes at least; None for the last one, which is the promotion."""

    weight: float
    place: Literal["done", "now", "next", "left"]
    minutes: float | None
    requests: int | None


class GuardShown(NamedTuple):
    """A guard with its figures as ``registry.rollouts.decide`` has them."""

    figures: View
    chart: EvidenceChart


class RolloutShown(NamedTuple):
    """``view`` as ``registry.watching.rollouts`` has it; ``minutes``: how long the present step has
    taken."""

    view: View
    level: str
    is_active: bool
    steps: Sequence[Step]
    guards: Sequence[GuardShown]
    minutes: float
    verbs: Sequence[Verb]

    @property
    def step(self) -> Step:
        number: int = self.view["step"]
        return self.steps[number - 1]


def rollout_shown(view: View, now: datetime) -> RolloutShown:
    """What a page shows of the rollout ``view``."""
    is_active = view["ended_at"] is None
    until = now if is_active else parse_time(view["ended_at"])
    return RolloutShown(
        view=view,
        level=LEVELS[view["state"]],
        is_active=is_active,
        steps=[
            _step(step, number, view) for number, step in enumerate(view["plan"]["steps"], start=1)
        ],
        guards=[
            GuardShown(figures, evidence_chart(figures["e_value"], 1 / ALPHA))
            for figures in view["guards"]
        ],
        minutes=(until - parse_time(view["step_began_at"])) / timedelta(minutes=1),
        verbs=[verb for verb in VERBS if view["state"] in _STATES[verb]],
    )


def _step(step: Mapping[str, Any], number: int, view: View) -> Step:
    now = view["step"]
    if view["state"] == "promoted" or number < now:
        place: Literal["done", "now", "next", "left"] = "done"
    elif number == now:
        place = "now" if view["ended_at"] is None else "left"
    else:
        place = "next"
    return Step(step["weight"], place, step.get("minutes"), step.get("requests"))
