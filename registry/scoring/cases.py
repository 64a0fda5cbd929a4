"""What is judged: a candidate, the champion it is held against, a holdout and the gates."""

from collections.abc import Mapping
from dataclasses import dataclass

from registry.gates.grammar import EngineGate, ExampleGate, Gate
from registry.scoring.holdouts import Holdout
from registry.serving.pool import ServedVersion


@dataclass(frozen=True, slots=True)
class Contender:
    """A version, the metrics that its uploader claims, and the name of what serves it."""

    version: ServedVersion
    claimed: Mapping[str, float]
    engine: str


@dataclass(frozen=True, slots=True)
class Case:
    """``champion`` None: the alias points nowhere. ``holdout`` None: claims have to do."""

    candidate: Contender
    champion: Contender | None
    holdout: Holdout | None
    gates: tuple[Gate, ...]

    def to_promote(self) -> "Case":
        """As far as it matters to a promotion: what holds the alias already has nothing to pass,
        and where there are no gates it is all the same what they would compare with."""
        champion = self.champion and self.champion.version.number
        if not self.gates or champion == self.candidate.version.number:
            return Case(self.candidate, None, None, ())
        return self

    def about_loading(self) -> "Case":
        """With those gates alone that say whether the candidate can serve at all."""
        kept = tuple(gate for gate in self.gates if isinstance(gate, ExampleGate | EngineGate))
        return Case(self.candidate, None, None, kept)
