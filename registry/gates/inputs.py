"""What gates are evaluated with: a candidate, the champion, a holdout and the gates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.engines.served_version import ServedVersion
from registry.gates.grammar import Gate
from registry.gates.holdouts import Holdout


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version, the metrics that its uploader claims, and the name of its engine.

    ``training_rows``: the SHA-256 of the hashes of its training rows; None: it has none.
    ``profile``: that of its data, as JSON; None: it has none, or no gate needs it.
    """

    version: ServedVersion
    claimed: Mapping[str, float]
    engine: str
    training_rows: str | None = None
    profile: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class GateInputs:
    """``champion`` None: the alias does not exist. ``holdout`` None: the claimed metrics count."""

    candidate: Candidate
    champion: Candidate | None
    holdout: Holdout | None
    gates: tuple[Gate, ...]
