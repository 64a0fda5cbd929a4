"""The expected state of rollouts, and of the alerts about them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from registry.errors import (
    AliasNotFound,
    ModelArchived,
    ModelNotFound,
    RegistryError,
    RolloutActive,
    RolloutCoolingDown,
    RolloutNotFound,
    RolloutRefused,
    RolloutStateConflict,
    SplitInTheWay,
)
from tests.faults.registries import PLAN
from tests.faults.rollouts import ACTIVE

Refusal = type[RegistryError]

SHARES = [step.weight / 100 for step in PLAN.steps]


@dataclass
class ExpectedRollout:
    model: str
    alias: str
    champion: int
    version: int
    state: str = "running"
    step: int = 0
    revision: int = 1

    def become(self, state: str, step: int | None = None) -> None:
        self.state, self.revision = state, self.revision + 1
        self.step = self.step if step is None else step


@dataclass
class ExpectedRollouts(ABC):
    """What rollouts do with ``models``; a subclass knows aliases and their splits."""

    models: dict[str, Any] = field(default_factory=dict)
    events: list[list[Any]] = field(default_factory=list)
    rollouts: list[ExpectedRollout] = field(default_factory=list)
    alerts: list[list[Any]] = field(default_factory=list)

    @abstractmethod
    def _unready(self, model: str, number: int) -> Refusal | None:
        """Why an alias cannot point at the version."""

    @abstractmethod
    def _point(
        self, model: str, number: int, alias: str, event: str, *, by_rollout: bool = False
    ) -> int:
        """Point the alias at the version, and end its split."""

    @abstractmethod
    def _weigh(self, model: str, alias: str, shares: dict[int, float]) -> None:
        """Split the alias by these percentages."""

    def _roll_out(self, model: str, number: int, alias: str) -> Refusal | int:
        if refusal := self._unready(model, number):
            return refusal
        known, active = self.models[model], self._active(model, alias)
        if active is not None and active.version == number:
            return number
        if refusal := self._rollout_refused(model, number, alias):
            return refusal
        champion = known.trails[alias][-1]
        self.rollouts.append(ExpectedRollout(model, alias, champion, number))
        self._tell("rollout_started", self.rollouts[-1])
        self._close("guard", model, alias)
        self._weigh(model, alias, {champion: 100 - SHARES[0], number: SHARES[0]})
        return number

    def _rollout_refused(self, model: str, number: int, alias: str) -> Refusal | None:
        known = self.models[model]
        cooling = [model, alias, number, "rolled_back"]
        refused: list[tuple[bool, Refusal]] = [
            (not known.trails.get(alias), AliasNotFound),
            (self._active(model, alias) is not None, RolloutActive),
            (known.trails.get(alias, [])[-1:] == [number], RolloutRefused),
            (alias in known.splits, SplitInTheWay),
            (
                any([r.model, r.alias, r.version, r.state] == cooling for r in self.rollouts),
                RolloutCoolingDown,
            ),
        ]
        return next((refusal for holds, refusal in refused if holds), None)

    def _move(self, action: str, model: str, alias: str) -> Refusal | int:
        if model not in self.models:
            return ModelNotFound
        rollout = self._last(model, alias)
        if rollout is None:
            return RolloutNotFound
        if rollout.state not in ACTIVE:
            return RolloutStateConflict
        name = "promote_canary" if action == "promote" else action
        return getattr(self, f"_{name}")(rollout) or rollout.version

    def _steer(self, verb: str, model: str, alias: str) -> Refusal | int:
        rollout = self._last(model, alias)
        if verb == "abort":
            return self._move("abort", model, alias)
        if verb == "finish":
            baking = rollout is not None and rollout.state == "baking"
            return self._move("complete" if baking else "promote", model, alias)
        if model in self.models and self.models[model].archived:
            return ModelArchived
        wanted, allowed = {
            "pause": ("paused", {"running", "held"}),
            "resume": ("running", {"paused", "held"}),
        }[verb]
        if rollout is not None and rollout.state == wanted:
            return rollout.version
        if rollout is not None and rollout.state in ACTIVE - allowed:
            return RolloutStateConflict
        return self._move(verb, model, alias)

    def _pause(self, rollout: ExpectedRollout) -> None:
        rollout.become("paused")
        self._tell("rollout_paused", rollout)
        self._close("held", rollout.model, rollout.alias)

    def _resume(self, rollout: ExpectedRollout) -> None:
        rollout.become("running")
        self._tell("rollout_resumed", rollout)
        self._close("held", rollout.model, rollout.alias)

    def _hold(self, rollout: ExpectedRollout) -> None:
        rollout.become("held")
        self._tell("rollout_held", rollout)
        self._open("held", rollout.model, rollout.alias)

    def _advance(self, rollout: ExpectedRollout) -> None:
        rollout.become("running", rollout.step + 1)
        self._close("held", rollout.model, rollout.alias)
        share = SHARES[rollout.step]
        shares = {rollout.champion: 100 - share, rollout.version: share}
        self._weigh(rollout.model, rollout.alias, shares)

    def _promote_canary(self, rollout: ExpectedRollout) -> Refusal | None:
        if rollout.state == "baking":
            return RolloutStateConflict
        rollout.become("baking", len(SHARES) - 1)
        self._close("held", rollout.model, rollout.alias)
        where = rollout.model, rollout.version, rollout.alias
        self._point(*where, "promoted", by_rollout=True)
        return None

    def _complete(self, rollout: ExpectedRollout) -> None:
        rollout.become("promoted")
        self._tell("rollout_ended", rollout)

    def _abort(self, rollout: ExpectedRollout, state: str = "aborted") -> Refusal | None:
        if rollout.state == "baking" and (
            refusal := self._unready(rollout.model, rollout.champion)
        ):
            return refusal
        rollout.become(state)
        self._tell("rollout_ended", rollout)
        self._close("held", rollout.model, rollout.alias)
        if state == "rolled_back":
            self._open("guard", rollout.model, rollout.alias)
        where = rollout.model, rollout.champion, rollout.alias
        self._point(*where, "rolled_back", by_rollout=True)
        return None

    def _roll_back(self, rollout: ExpectedRollout) -> Refusal | None:
        return self._abort(rollout, "rolled_back")

    def _end_other(self, model: str, alias: str) -> None:
        """End the rollout because something else changes its alias."""
        if (rollout := self._active(model, alias)) is not None:
            rollout.become("ended")
            self._tell("rollout_ended", rollout)
            self._close("held", model, alias)

    def _last(self, model: str, alias: str) -> ExpectedRollout | None:
        found = [one for one in self.rollouts if (one.model, one.alias) == (model, alias)]
        return found[-1] if found else None

    def _active(self, model: str, alias: str) -> ExpectedRollout | None:
        last = self._last(model, alias)
        return last if last is not None and last.state in ACTIVE else None

    def _tell(self, event: str, rollout: ExpectedRollout) -> None:
        self.events.append([event, rollout.model, rollout.alias, rollout.champion, rollout.version])

    def _open(self, kind: str, model: str, alias: str) -> None:
        if [model, kind, alias, True] not in self.alerts:
            self.alerts.append([model, kind, alias, True])
            self.events.append(["alert_opened", model, alias, None, None])

    def _close(self, kind: str, model: str, alias: str) -> None:
        if [model, kind, alias, True] in self.alerts:
            self.alerts[self.alerts.index([model, kind, alias, True])][3] = False
            self.events.append(["alert_closed", model, alias, None, None])
