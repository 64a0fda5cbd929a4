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
    RegistryError,
    VersionHasAlias,
    VersionNotFound,
    VersionNotReady,
)

Call = tuple[str, dict[str, Any]]
"""The name of a method of Registry and its arguments."""

Refusal = type[RegistryError]


@dataclass
class ExpectedModel:
    statuses: list[str] = field(default_factory=list)
    """One for each version, the first is version 1."""
    trails: dict[str, list[int]] = field(default_factory=dict)
    """What lies behind each alias, the present version last."""
    held: dict[str, set[int]] = field(default_factory=dict)
    """Whatever each alias ever pointed at."""
    generation: int = 0
    archived: bool = False


@dataclass
class Expected:
    """The models, the events in their order, and the answers kept for keys."""

    models: dict[str, ExpectedModel] = field(default_factory=dict)
    events: list[list[Any]] = field(default_factory=list)
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
        refusal = self._unready(model, number)
        return refusal or self._move(model, number, alias, "promoted")

    def _rollback(self, model: str, to_version: int | None, alias: str) -> Refusal | int:
        known = self.models.get(model)
        if known is None:
            return ModelNotFound
        trail = known.trails.get(alias, [])
        if not trail:
            return AliasNotFound
        if to_version is None:
            if len(trail) < 2:
                return NothingToRollBackTo
            to_version = trail[-2]
        elif to_version > len(known.statuses):
            return VersionNotFound
        elif to_version not in known.held[alias]:
            return NothingToRollBackTo
        refusal = self._unready(model, to_version)
        return refusal or self._move(model, to_version, alias, "rolled_back")

    def _archive(self, model: str, number: int) -> Refusal | None:
        known = self.models.get(model)
        if known is None:
            return ModelNotFound
        if number > len(known.statuses):
            return VersionNotFound
        if any(trail and trail[-1] == number for trail in known.trails.values()):
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

    def _move(self, model: str, number: int, alias: str, event: str) -> int:
        known = self.models[model]
        trail = known.trails.setdefault(alias, [])
        before = trail[-1] if trail else None
        if before != number:
            if event == "rolled_back" and number in trail[:-1]:
                trail.pop()
                while trail[-1] != number:
                    trail.pop()
            else:
                trail.append(number)
            known.held.setdefault(alias, set()).add(number)
            known.generation += 1
            self.events.append([event, model, alias, before, number])
        return number
