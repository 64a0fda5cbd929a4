"""The limit of a guard."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """``scale`` times the champion's rate, plus ``shift``; rates are shares of 1."""

    scale: float
    shift: float

    def without_champion(self, rate: float) -> "Limit":
        """The limit where the champion has no traffic, by its last known ``rate``."""
        return Limit(0.0, min(self.scale * rate + self.shift, 1.0))
