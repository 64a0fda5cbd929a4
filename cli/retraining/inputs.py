"""The inputs by which ``hotswap retrain`` recognises a repeated run."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Inputs:
    """The model's name, and the digests and the commit in a version's lineage.

    Runs with the same inputs make one version.
    """

    model: str
    recipe_sha256: str | None
    data_sha256: str | None
    git_commit: str | None

    @classmethod
    def of(cls, model: str, lineage: Mapping[str, Any]) -> Self:
        """The inputs in ``lineage``; None for those that it does not have."""
        return cls(
            model,
            lineage.get("recipe_sha256"),
            lineage.get("data_sha256"),
            lineage.get("git_commit"),
        )

    def made(self, version: Mapping[str, Any]) -> bool:
        """Whether the lineage of ``version`` has these inputs."""
        return Inputs.of(self.model, version.get("lineage") or {}) == self

    def key(self, purpose: str, *more: object) -> str:
        """An idempotency key for the operation ``purpose``, which also depends on ``more``.

        At most 200 ASCII characters, as the service requires.
        """
        text = json.dumps([asdict(self), *more], sort_keys=True)
        return f"retrain-{purpose}-{hashlib.sha256(text.encode()).hexdigest()}"

    def __str__(self) -> str:
        """For people: ``commit 1a2b3c4, recipe 5d6e7f8, data 9a0b1c2``."""
        digests = {
            "commit": self.git_commit,
            "recipe": self.recipe_sha256,
            "data": self.data_sha256,
        }
        return ", ".join(f"{what} {digest[:7]}" for what, digest in digests.items() if digest)
