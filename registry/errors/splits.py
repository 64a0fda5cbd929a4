"""Splits of aliases."""

from collections.abc import Iterable

from registry.errors.base import Conflict, Fault, NotFound, Refused


class SplitNotFound(NotFound):
    title = "Split not found"

    def __init__(self, model: str, alias: str) -> None:
        super().__init__(f"The alias '{alias}' of '{model}' is not split.")


class SplitActive(Conflict):
    title = "Alias is split"

    def __init__(self, model: str, alias: str, number: int, arms: Iterable[int]) -> None:
        *others, last = map(str, sorted(arms))
        super().__init__(
            f"The alias '{alias}' of '{model}' is split over the versions {', '.join(others)} and "
            f"{last}, and version {number} is none of them; nothing was changed. End the split "
            'first, or send "end_split": true.'
        )


class SplitRefused(Refused):
    title = "Split refused"

    @classmethod
    def without_champion(cls, alias: str, champion: int) -> "SplitRefused":
        message = f"has no weight for version {champion}, which '{alias}' points at"
        return cls(
            f"A split contains the version that the alias points at: '{alias}' points at version "
            f"{champion}. Give it a weight, which may be 0, or promote one of the others first.",
            [Fault("weights", message)],
        )

    @classmethod
    def wrong_weights(cls, message: str) -> "SplitRefused":
        return cls(f"Invalid weights: {message}.", [Fault("weights", message)])
