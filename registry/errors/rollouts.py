"""Rollouts of versions in steps."""

from collections.abc import Iterable
from datetime import datetime

from registry.errors.base import Conflict, Fault, NotFound, Refused


class PlanMalformed(Refused):
    """``faults``: one for each part of the plan that is invalid."""

    title = "Malformed plan of a rollout"

    def __init__(self, faults: Iterable[Fault]) -> None:
        found = list(faults)
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        super().__init__(f"Invalid plan: {found[0].at}: {found[0].message}{more}.", found)


class RolloutNotFound(NotFound):
    title = "Rollout not found"

    def __init__(self, model: str, alias: str) -> None:
        super().__init__(f"There was no rollout of '{model}' under the alias '{alias}'.")


class RolloutRefused(Refused):
    title = "Rollout refused"

    @classmethod
    def of_champion(cls, alias: str, number: int) -> "RolloutRefused":
        return cls(f"The alias '{alias}' points at version {number} already.")


class SplitInTheWay(Conflict):
    title = "Alias is split already"

    def __init__(self, alias: str) -> None:
        super().__init__(
            f"The alias '{alias}' is split, and not by a rollout. End that split first."
        )


class RolloutActive(Conflict):
    title = "Rollout in progress"

    def __init__(self, alias: str, number: int, state: str) -> None:
        super().__init__(
            f"A rollout of version {number} under the alias '{alias}' is {state}, with another "
            "version or plan. Finish or abort it first."
        )


class RolloutCoolingDown(Conflict):
    title = "Version was rolled back recently"

    def __init__(self, alias: str, number: int, until: datetime) -> None:
        super().__init__(
            f"Version {number} was rolled back under the alias '{alias}'; a new rollout is allowed "
            f"from {until:%Y-%m-%d %H:%M} UTC on, or before with 'force' and a reason."
        )


class RolloutStateConflict(Conflict):
    """A verb that the state of the rollout does not allow."""

    title = "Not possible in this state of the rollout"

    def __init__(self, verb: str, number: int, state: str) -> None:
        super().__init__(f"The rollout of version {number} is {state}: cannot {verb} it.")


class RolloutChanged(Conflict):
    """``expected`` is the revision that the caller has seen."""

    title = "Rollout has changed"

    def __init__(self, alias: str, expected: int | None, actual: int, state: str) -> None:
        super().__init__(
            f"The rollout under the alias '{alias}' is at revision {actual} and {state}; expected "
            f"revision {expected}. Check it and try again."
        )
