"""What makes two runs of ``hotswap retrain`` the same run."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Inputs:
    """The model's name, and the digests and the commit that a version's lineage records.

    The same inputs make one version, however often and wherever they are run.
    """

    model: str
    recipe_sha256: str | None
    data_sha256: str | None
    git_commit: str | None

    @classmethod
    def of(cls, model: str, lineage: Mapping[str, Any]) -> Self:
        """The inputs that ``lineage`` tells of; what it does not tell is None."""
        return cls(
            model,
            lineage.get("recipe_sha256"),
            lineage.get("data_sha256"),
            lineage.get("git_commit"),
        )

    def made(self, version: Mapping[str, Any]) -> bool:
        """Whether ``version`` says that it was made from these."""
        return Inputs.of(self.model, version.get("lineage") or {}) == self

    def key(self, purpose: str, *more: object) -> str:
        """An idempotency key for what is done to ``purpose``; ``more`` is what else it depends on.

        At most 200 characters of ASCII, as the service asks.
        """
        text = json.dumps([asdict(self), *more], sort_keys=True)
        return f"retrain-{purpose}-{hashlib.sha256(text.encode()).hexdigest()}"

    def __str__(self) -> str:
        """For people: ``commit 1a2b3c4, recipe 5d6e7f8, data 9a0b1c2``."""
        told = {
            "commit": self.git_commit,
            "recipe": self.recipe_sha256,
            "data": self.data_sha256,
        }
        return ", ".join(f"{what} {digest[:7]}" for what, digest in told.items() if digest)
