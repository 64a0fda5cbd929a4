"""Gates, holdouts, promotions and rollbacks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from registry.errors.base import Conflict, Fault, NotFound, Refused


class HoldoutNotFound(NotFound):
    title = "Holdout not found"

    def __init__(self, model: str) -> None:
        super().__init__(f"Model '{model}' has no holdout.")


class VerdictNotFound(NotFound):
    title = "Verdict not found"

    def __init__(self, model: str, number: int, alias: str) -> None:
        super().__init__(
            f"The gates of version {number} of '{model}' were not evaluated for '{alias}', or its "
            "version, the policy or the holdout has changed since: evaluate them."
        )


class HoldoutRefused(Refused):
    title = "Holdout refused"


class GateMalformed(Refused):
    title = "Malformed gate"

    def __init__(self, message: str, faults: Iterable[Fault] = ()) -> None:
        super().__init__(f"Invalid gate: {message}.", faults)


class GuardMalformed(Refused):
    title = "Malformed guard"

    def __init__(self, message: str, faults: Iterable[Fault] = ()) -> None:
        super().__init__(f"Invalid guard: {message}.", faults)


class GateRefused(Refused):
    title = "Gate refused"


class GateFailed(Conflict):
    """``results``: the result of every gate, as JSON."""

    title = "Gate failed"

    def __init__(self, model: str, number: int, results: Sequence[Mapping[str, Any]]) -> None:
        failed = [result for result in results if not result["passed"]]
        first = failed[0]
        why = f" ({first['reason']})" if first.get("reason") else ""
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        super().__init__(
            f"Version {number} of '{model}' fails the gate {first['gate']!r}{why}{more}; "
            "nothing was changed."
        )
        self.results = tuple(results)


class PolicyConflict(Conflict):
    title = "Gates have changed"

    def __init__(self, model: str, actor: str | None) -> None:
        super().__init__(
            f"{actor or 'Somebody'} changed the gates of '{model}' in the meantime; nothing was "
            "changed. Read them and try again."
        )


class ChampionMoved(Conflict):
    title = "Champion has moved"

    def __init__(self, alias: str) -> None:
        super().__init__(
            f"The alias, the policy or the holdout kept changing while the gates of '{alias}' were "
            "evaluated; nothing was changed. Try again."
        )


class ExpectedVersionConflict(Conflict):
    title = "Alias has moved"

    def __init__(self, alias: str, expected: int | None, actual: int | None) -> None:
        found = f"points at version {actual}" if actual is not None else "does not exist"
        wanted = f"version {expected}" if expected is not None else "no such alias"
        super().__init__(f"The alias '{alias}' {found}; expected {wanted}. Check it and try again.")


class ExpectedGenerationConflict(Conflict):
    title = "Generation has changed"

    def __init__(self, model: str, expected: int | None, actual: int) -> None:
        super().__init__(
            f"Model '{model}' is at generation {actual}; expected {expected}: one of its aliases "
            "was changed in the meantime. Check it and try again."
        )


class NothingToRollBackTo(Conflict):
    title = "Nothing to roll back to"

    def __init__(self, alias: str, to_version: int | None = None) -> None:
        if to_version is None:
            super().__init__(f"The alias '{alias}' has no earlier version in its history.")
        else:
            super().__init__(
                f"The alias '{alias}' never pointed at version {to_version}: promote it instead."
            )

    @classmethod
    def moved(cls, alias: str) -> "NothingToRollBackTo":
        error = cls(alias)
        error.detail = f"The alias '{alias}' was moved by another request. Check it and try again."
        return error


class VersionNotLoadable(Conflict):
    title = "Version cannot be loaded"

    def __init__(self, model: str, number: int, why: str) -> None:
        super().__init__(f"Version {number} of '{model}' cannot be loaded and warmed up: {why}")
        self.why = why
