"""What is judged: a candidate, the champion it is held against, a holdout and the gates."""

from collections.abc import Mapping
from dataclasses import dataclass

from registry.engines.served_version import ServedVersion
from registry.gates.grammar import EngineGate, ExampleGate, Gate
from registry.gates.holdouts import Holdout


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version, the metrics that its uploader claims, and the name of what serves it."""

    version: ServedVersion
    claimed: Mapping[str, float]
    engine: str


@dataclass(frozen=True, slots=True)
class GateInputs:
    """``champion`` None: the alias points nowhere. ``holdout`` None: claims have to do."""

    candidate: Candidate
    champion: Candidate | None
    holdout: Holdout | None
    gates: tuple[Gate, ...]

    def to_promote(self) -> "GateInputs":
        """As far as it matters to a promotion: what holds the alias already has nothing to pass,
        and where there are no gates it is all the same what they would compare with."""
        champion = self.champion and self.champion.version.number
        if not self.gates or champion == self.candidate.version.number:
            return GateInputs(self.candidate, None, None, ())
        return self

    def about_loading(self) -> "GateInputs":
        """With those gates alone that say whether the candidate can serve at all."""
        kept = tuple(gate for gate in self.gates if isinstance(gate, ExampleGate | EngineGate))
        return GateInputs(self.candidate, None, None, kept)
