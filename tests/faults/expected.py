"""The expected state of the registry after each operation: a model in memory."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from registry.errors import (
    AliasNotFound,
    IdempotencyKeyReused,
    ModelArchived,
    ModelNotFound,
    NothingToRollBackTo,
    SplitActive,
    SplitNotFound,
    SplitRefused,
    VersionHasAlias,
    VersionNotFound,
    VersionNotReady,
)
from tests.faults.expected_rollouts import ExpectedRollout, ExpectedRollouts, Refusal
from tests.faults.rollouts import ACTIVE
from tests.faults.splits import Changes, arms_of

Call = tuple[str, dict[str, Any]]
"""The name of a method of Registry and its arguments."""


@dataclass
class ExpectedModel:
    statuses: list[str] = field(default_factory=list)
    """One for each version, the first is version 1."""
    trails: dict[str, list[int]] = field(default_factory=dict)
    """What lies behind each alias, the present version last."""
    held: dict[str, set[int]] = field(default_factory=dict)
    """Whatever each alias ever pointed at."""
    splits: dict[str, Changes] = field(default_factory=dict)
    """The weights of each alias that is split."""
    generation: int = 0
    archived: bool = False


@dataclass
class Expected(ExpectedRollouts):
    """The models, the events in their order, and the answers kept for keys."""

    models: dict[str, ExpectedModel] = field(default_factory=dict)
    keys: dict[str, tuple[Call, Any]] = field(default_factory=dict)

    def after(self, call: Call) -> "tuple[Expected, Refusal | None, Any]":
        """The state after ``call``, how it is refused (None: it is not), and what is answered."""
        verb, arguments = call
        key = arguments.get("key")
        if key in self.keys:
            known, answer = self.keys[key]
            return (self, None, answer) if known == call else (self, IdempotencyKeyReused, None)
        changed = deepcopy(self)
        rest = {name: value for name, value in arguments.items() if name != "key"}
        result = getattr(changed, f"_{verb}")(**rest)
        if isinstance(result, type):
            return self, result, None
        if key is not None:
            changed.keys[key] = (call, result)
        return changed, None, result

    def active(self) -> list[ExpectedRollout]:
        """The rollouts that have not ended."""
        return [rollout for rollout in self.rollouts if rollout.state in ACTIVE]

    def state(self) -> dict[str, Any]:
        """As ``restart.state_of`` tells it, without digests."""
        names = sorted(self.models)
        return {
            "models": {
                name: [len(model.statuses), model.generation, model.archived]
                for name, model in sorted(self.models.items())
            },
            "versions": {
                f"{name}/{number}": status
                for name in names
                for number, status in enumerate(self.models[name].statuses, start=1)
            },
            "aliases": {
                f"{name}/{alias}": trail[-1]
                for name in names
                for alias, trail in sorted(self.models[name].trails.items())
                if trail
            },
            "splits": {
                f"{name}/{alias}": ["header", arms_of(changes)]
                for name in names
                for alias, changes in sorted(self.models[name].splits.items())
            },
            "rollouts": [list(vars(rollout).values()) for rollout in self.rollouts],
            "alerts": self.alerts,
            "events": self.events,
            "keys": sorted(self.keys),
            "files": {},
        }

    def _upload(self, model: str, **_: Any) -> Refusal | int:
        known = self.models.get(model)
        if known is not None and known.archived:
            return ModelArchived
        if known is None:
            known = self.models[model] = ExpectedModel()
            self.events.append(["model_created", model, None, None, None])
        known.statuses.append("ready")
        self.events.append(["registered", model, None, None, len(known.statuses)])
        return len(known.statuses)

    def _promote(self, model: str, number: int, alias: str) -> Refusal | int:
        if refusal := self._unready(model, number):
            return refusal
        weights = self._weights(model, alias)
        if weights and number not in weights:
            return SplitActive
        return self._point(model, number, alias, "promoted")

    def _weights(self, model: str, alias: str) -> dict[int, float]:
        """The percentages of the alias; none where it is not split."""
        return dict(self.models[model].splits.get(alias, ((),))[-1])

    def _split(self, model: str, weights: list[list[int]], alias: str) -> Refusal | int:
        shares: dict[int, float] = dict(weights)
        known = self.models.get(model)
        if not 2 <= len(shares) <= 4 or sum(shares.values()) != 100:
            return SplitRefused
        if known is None:
            return ModelNotFound
        if not (trail := known.trails.get(alias)):
            return AliasNotFound
        if trail[-1] not in shares:
            return SplitRefused
        before = self._weights(model, alias)
        for number in sorted(shares.keys() - before.keys()):
            if refusal := self._unready(model, number):
                return refusal
        if before != shares:
            self._end_other(model, alias)
            self._weigh(model, alias, shares)
        return trail[-1]

    def _weigh(self, model: str, alias: str, shares: dict[int, float]) -> None:
        known = self.models[model]
        known.splits[alias] = (*known.splits.get(alias, ()), tuple(sorted(shares.items())))
        known.generation += 1
        self.events.append(["split_changed", model, alias, None, None])

    def _end_split(self, model: str, alias: str) -> Refusal | int:
        known = self.models.get(model)
        if known is None:
            return ModelNotFound
        if known.archived:
            return ModelArchived
        if alias not in known.splits:
            return SplitNotFound if known.trails.get(alias) else AliasNotFound
        self._end_other(model, alias)
        return self._point(model, known.trails[alias][-1], alias, "promoted")

    def _rollback(self, model: str, to_version: int | None, alias: str) -> Refusal | int:
        known = self.models.get(model)
        if known is None:
            return ModelNotFound
        if not known.trails.get(alias):
            return AliasNotFound
        if to_version is None and alias in known.splits:
            return self._end_split(model, alias)
        target = self._behind(known, to_version, alias)
        if isinstance(target, type):
            return target
        return self._unready(model, target) or self._point(model, target, alias, "rolled_back")

    def _behind(self, known: ExpectedModel, to_version: int | None, alias: str) -> Refusal | int:
        """The version that the alias goes back to."""
        trail = known.trails[alias]
        if to_version is None:
            return trail[-2] if len(trail) > 1 else NothingToRollBackTo
        if to_version > len(known.statuses):
            return VersionNotFound
        return to_version if to_version in known.held[alias] else NothingToRollBackTo

    def _archive(self, model: str, number: int) -> Refusal | None:
        known = self.models.get(model)
        if known is None:
            return ModelNotFound
        if number > len(known.statuses):
            return VersionNotFound
        if any(trail and trail[-1] == number for trail in known.trails.values()):
            return VersionHasAlias
        if any(number in dict(changes[-1]) for changes in known.splits.values()):
            return VersionHasAlias
        if any((one.model, one.champion) == (model, number) for one in self.active()):
            return VersionHasAlias
        if known.statuses[number - 1] != "archived":
            known.statuses[number - 1] = "archived"
            self.events.append(["archived", model, None, number, None])
        return None

    def _archive_model(self, model: str) -> Refusal | None:
        known = self.models.get(model)
        if known is None:
            return ModelNotFound
        if not known.archived:
            known.archived = True
            known.generation += 1
            known.statuses = ["archived"] * len(known.statuses)
            known.trails = {}
            for alias in sorted({*known.splits, *(one.alias for one in self.rollouts)}):
                self._end_other(model, alias)
                if alias in known.splits:
                    self.events.append(["split_ended", model, alias, None, None])
            known.splits = {}
            self.events.append(["model_archived", model, None, None, None])
        return None

    def _collect(self) -> None:
        return None

    def _unready(self, model: str, number: int) -> Refusal | None:
        known = self.models.get(model)
        if known is None:
            return ModelNotFound
        if number > len(known.statuses):
            return VersionNotFound
        return None if known.statuses[number - 1] == "ready" else VersionNotReady

    def _point(
        self, model: str, number: int, alias: str, event: str, *, by_rollout: bool = False
    ) -> int:
        known = self.models[model]
        trail = known.trails.setdefault(alias, [])
        before = trail[-1] if trail else None
        was_split = known.splits.pop(alias, None) is not None
        if was_split:
            self.events.append(["split_ended", model, alias, None, None])
        if was_split or before != number:
            known.generation += 1
            if not by_rollout:
                self._end_other(model, alias)
        if before != number:
            if event == "rolled_back" and number in trail[:-1]:
                trail.pop()
                while trail[-1] != number:
                    trail.pop()
            else:
                trail.append(number)
            known.held.setdefault(alias, set()).add(number)
            self.events.append([event, model, alias, before, number])
        return number
