"""How the version of ``hotswap retrain`` goes live."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionOptions:
    """The alias to promote under, the gates, and a reason for the history.

    ``plan``: that of a rollout, which replaces the promotion where the alias has a version.
    """

    alias: str
    gates: tuple[str, ...] = ()
    reason: str | None = None
    plan: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Means:
    """With what a training is made: the address of a Dask scheduler, and bytes of memory; None:
    this process alone, and what is available."""

    scheduler: str | None = None
    memory: int | None = None


IN_THIS_PROCESS = Means()
