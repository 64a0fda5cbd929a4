"""Where a rollout is, and where a decision leads it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple, get_args

from registry.guards.evidence import Verdict
from registry.rollouts.plan import Plan

State = Literal[
    "running", "paused", "held", "baking", "promoted", "aborted", "rolled_back", "ended"
]
"""``paused``: by a person. ``held``: undecided at its time, or a move was refused. ``baking``: the
version was promoted and the guards still apply. ``promoted``, ``aborted`` (by a person or at the
deadline), ``rolled_back`` (by a guard or a requirement) and ``ended`` (somebody moved the alias)
are final."""
STATES: tuple[State, ...] = get_args(State)
ACTIVE: tuple[State, ...] = ("running", "paused", "held", "baking")

Action = Literal[
    "wait", "require", "advance", "promote", "complete", "hold", "block", "roll_back", "abort"
]
"""``require``: evaluate the requirements, then decide again. ``advance``: go to the next step.
``promote``: go to the last one. ``complete``: stop watching the promoted version. ``hold``: wait
until everything is decided. ``block``: wait for a person."""


def parse_state(text: str) -> State:
    """``text`` as a state. Raises ValueError."""
    for state in STATES:
        if state == text:
            return state
    raise ValueError(f"{text!r} is no state of a rollout")


@dataclass(frozen=True, slots=True)
class Decision:
    """``reason`` is one sentence."""

    action: Action
    reason: str


class Required(NamedTuple):
    """The verdict of the requirements; ``reason``: what failed, or why nothing can be evaluated."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """``step`` counts from 0. ``blocked``: held until a person resumes it. ``version`` is the
    canary."""

    version: int
    champion: int
    state: State
    step: int
    step_began_at: datetime
    deadline_at: datetime
    blocked: bool = False

    @classmethod
    def begin(cls, plan: Plan, version: int, champion: int, now: datetime) -> "Progress":
        """In the first step."""
        return cls(
            version=version,
            champion=champion,
            state="running",
            step=0,
            step_began_at=now,
            deadline_at=now + plan.deadline_after,
        )

    def after(self, action: Action, plan: Plan, now: datetime) -> "Progress":
        """After ``action``, which is neither ``wait`` nor ``require``."""
        if action == "advance":
            return self._in_step(self.step + 1, "running", now)
        if action == "promote":
            return self._in_step(plan.last, "baking" if plan.bake else "promoted", now)
        ends: dict[Action, State] = {
            "complete": "promoted",
            "hold": "held",
            "block": "held",
            "roll_back": "rolled_back",
            "abort": "aborted",
        }
        return replace(self, state=ends[action], blocked=action == "block")

    def paused(self) -> "Progress":
        """After somebody has paused it."""
        return replace(self, state="paused", blocked=False)

    def resumed(self, plan: Plan, now: datetime) -> "Progress":
        """After somebody has resumed it: a step that was held, and a deadline that has passed,
        begin anew."""
        return replace(
            self,
            state="running",
            blocked=False,
            step_began_at=now if self.state == "held" else self.step_began_at,
            deadline_at=self.deadline_at if now < self.deadline_at else now + plan.deadline_after,
        )

    def ended(self) -> "Progress":
        """After somebody has moved the alias."""
        return replace(self, state="ended", blocked=False)

    def _in_step(self, step: int, state: State, now: datetime) -> "Progress":
        return replace(self, step=step, state=state, step_began_at=now, blocked=False)
