"""The result of a run of ``hotswap retrain``, with everything that its summary shows."""

from dataclasses import dataclass, field
from typing import Any, Literal

from hotswap.replies import Gate, Promotion, Rollout, Version
from registry.cards.blocks import Data, Phrase

Ending = Literal[
    "promoted",
    "rolling_out",
    "not_better",
    "rolled_back",
    "split_active",
    "superseded",
    "failed",
]
"""``rolling_out``: a rollout is in progress. ``rolled_back``: one has ended without a promotion.
``split_active``: the alias is split, which only people end. ``superseded``: this version was live
and has been replaced since."""


@dataclass(slots=True, kw_only=True)
class RetrainReport:
    """The state of a run; ``ending`` is None while it is in progress.

    ``version`` is the version of these inputs, made in this run (``made``) or an earlier one.
    ``champion`` is the version of the alias when the run began. Each evaluation is what the service
    stores with the version.
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
    rollout: Rollout | None = None
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
        """The metrics of the baseline on the candidate's held-out rows."""
        return dict(self.evaluation.get("baseline") or {})

    @property
    def warnings(self) -> list[str]:
        """Why the candidate's metrics may be worth less than they seem."""
        return [str(warning) for warning in self.evaluation.get("warnings") or ()]

    def headline(self) -> str:
        """The result in one line."""
        return "".join(part if isinstance(part, str) else part.text for part in self.phrase())

    def phrase(self) -> Phrase:
        """The headline, with names as Data."""
        model = Data(self.model)
        if self.ending == "promoted":
            live = (Data(f"{self.model}/{self.alias}"), f" is now version {self.number}")
            return (*live, ", as before." if self.already_live else ".")
        if self.ending == "rolling_out":
            where = Data(f"{self.model}/{self.alias}")
            return (f"Version {self.number} is rolled out to ", where, ".")
        if self.ending in {"not_better", "rolled_back"}:
            stays = (
                f"version {self.champion_number} stays"
                if self.champion_number is not None
                else "nothing is live"
            )
            return (f"Version {self.number} of ", model, f" was not promoted; {stays}.")
        if self.ending == "split_active":
            where = Data(f"{self.model}/{self.alias}")
            return (f"Version {self.number} of ", model, " was not promoted; ", where, " is split.")
        if self.version is None:
            return ("No version of ", model, " was created.")
        is_superseded = self.ending == "superseded"
        fate = "live and has been replaced since" if is_superseded else "uploaded, but not promoted"
        return (f"Version {self.number} of ", model, f" was {fate}.")
