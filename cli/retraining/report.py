"""How a run of ``hotswap retrain`` ended, with all that its summary tells."""

from dataclasses import dataclass, field
from typing import Any, Literal

from client.replies import Gate, Promotion, Version
from registry.cards.blocks import Data, Phrase

Ending = Literal["promoted", "not_better", "superseded", "failed"]
"""``superseded``: this version was live once, and somebody has put another in its place since."""


@dataclass(slots=True, kw_only=True)
class RetrainReport:
    """What is known of a run so far; ``ending`` None: it is still under way.

    ``version`` is the one that these inputs made, in this run (``made``) or an earlier one.
    ``champion`` is what the alias pointed at when the run began. Evaluations are what the service
    keeps of each.
    """

    model: str
    alias: str
    inputs: str
    url: str
    ending: Ending | None = None
    version: Version | None = None
    made: bool = False
    evaluation: dict[str, Any] = field(default_factory=dict)
    champion: Version | None = None
    champion_evaluation: dict[str, Any] = field(default_factory=dict)
    gates: list[Gate] = field(default_factory=list)
    promotion: Promotion | None = None
    already_live: bool = False
    remark: str = ""
    problem: dict[str, Any] | str | None = None

    @property
    def number(self) -> int | None:
        return None if self.version is None else self.version["version"]

    @property
    def champion_number(self) -> int | None:
        return None if self.champion is None else self.champion["version"]

    @property
    def baseline(self) -> dict[str, float]:
        """The metrics of a model that only guesses, on the candidate's held-out rows."""
        return dict(self.evaluation.get("baseline") or {})

    def headline(self) -> str:
        """The end in one line."""
        return "".join(part if isinstance(part, str) else part.text for part in self.phrase())

    def phrase(self) -> Phrase:
        """The same, with the names marked as such."""
        model = Data(self.model)
        if self.ending == "promoted":
            live = (Data(f"{self.model}/{self.alias}"), f" is now version {self.number}")
            return (*live, ", as it was before." if self.already_live else ".")
        if self.ending == "not_better":
            stays = (
                f"version {self.champion_number} stays"
                if self.champion_number is not None
                else "nothing is live"
            )
            return (f"Version {self.number} of ", model, f" is not promoted; {stays}.")
        if self.ending == "superseded":
            return (f"Version {self.number} of ", model, " was live before; it stays replaced.")
        if self.version is not None:
            return (f"Version {self.number} of ", model, " was uploaded, but not promoted.")
        return ("No version of ", model, " was made.")
