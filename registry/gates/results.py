"""The result of a gate."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Measured = Literal["holdout", "claimed"]
"""Where metrics come from: measured by this registry, or claimed by the uploader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """Whether the candidate passes a gate, the values that were compared, and the reason.

    ``interval``: of the candidate's metric minus the bound. ``holdout``: the SHA-256 of the holdout
    that both were measured on.
    """

    gate: str
    passed: bool
    candidate: float | None = None
    champion: float | None = None
    reason: str | None = None
    interval: tuple[float, float] | None = None
    measured: Measured | None = None
    holdout: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As the API returns it; ``interval`` and ``holdout`` only where there is one."""
        shown: dict[str, Any] = {
            "gate": self.gate,
            "passed": self.passed,
            "candidate": self.candidate,
            "champion": self.champion,
            "reason": self.reason,
            "measured": self.measured,
        }
        if self.interval is not None:
            shown["interval"] = list(self.interval)
        if self.holdout is not None:
            shown["holdout"] = self.holdout
        return shown


def all_passed(results: Iterable[GateResult]) -> bool:
    """Whether every gate passed."""
    return all(result.passed for result in results)
