"""The result of a training: the model, and the metadata of its upload."""

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hotswap.fitted.deterministic_skops import to_bytes
from registry.signature import Record, Signature, Task
from registry.storage.durable import rename_durably, write_whole
from trainers.inferred import Inferred
from trainers.model_kinds import TrainedKind, kind_of_version
from trainers.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

ARTIFACT_NAME = "model.skops"
METADATA_NAME = "metadata.json"
ROWS_NAME = "training_rows.bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A fitted pipeline with its signature, its evaluation and its lineage.

    ``notes`` are for the user: rows dropped, warnings of the fit. ``warnings`` say why the metrics
    may be worth less than they seem. ``held_out`` are the features of
    the rows that it was evaluated on, ``training_rows`` the hashes of those that it was fitted on
    (`hotswap.evaluation.row_hashes`). ``inferred`` is what was found out about each column.
    """

    recipe: Recipe
    pipeline: "Pipeline"
    kind: TrainedKind
    task: Task
    signature: Signature
    metrics: dict[str, float]
    baseline: dict[str, float]
    evaluation: dict[str, Any]
    params: dict[str, Any]
    input_example: Record
    lineage: dict[str, Any]
    environment: dict[str, str]
    held_out: "pd.DataFrame"
    inferred: tuple[Inferred, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    training_rows: bytes | None = None

    def metadata(self, parent_version: int | None = None) -> dict[str, Any]:
        """The ``metadata`` part of an upload, as JSON; ``parent_version`` is the version that this
        one is to replace, if there is one."""
        parent = {} if parent_version is None else {"parent_version": parent_version}
        return {
            "format": "skops",
            "kind": kind_of_version(self.kind),
            "metrics": self.metrics,
            "params": self.params,
            "signature": self.signature.to_json(),
            "input_example": self.input_example,
            "tags": {},
            "description": self.recipe.description,
            "lineage": self.lineage | parent,
            "environment": self.environment,
            "evaluation": self.evaluation,
        }

    def artifact(self) -> bytes:
        """The pipeline as a skops file; the same bytes for the same recipe, data and seed."""
        return to_bytes(_uploaded(self.pipeline))

    def write(self, directory: Path) -> None:
        """Write ``model.skops``, ``metadata.json`` and ``training_rows.bin`` into ``directory``,
        which is created.

        The files of an earlier model are replaced after all new ones have been written; metadata
        never describe another model than the one beside them. Raises OSError.
        """
        directory.mkdir(parents=True, exist_ok=True)
        metadata = json.dumps(self.metadata(), indent=2, ensure_ascii=False, allow_nan=False)
        rows = {} if self.training_rows is None else {ROWS_NAME: self.training_rows}
        files = {ARTIFACT_NAME: self.artifact(), **rows, METADATA_NAME: f"{metadata}\n".encode()}
        with TemporaryDirectory(prefix=".new-", dir=directory) as new:
            for name, content in files.items():
                write_whole(Path(new, name), content, 0o644)
            for name in (METADATA_NAME, ROWS_NAME):
                (directory / name).unlink(missing_ok=True)
            for name in files:
                rename_durably(Path(new, name), directory / name)


def _uploaded(pipeline: "Pipeline") -> "Pipeline":
    """``pipeline`` with an estimator of its library in place of a class of ours."""
    from sklearn.pipeline import Pipeline

    final = pipeline[-1]
    if not hasattr(final, "uploaded"):
        return pipeline
    return Pipeline([*pipeline.steps[:-1], (pipeline.steps[-1][0], final.uploaded())])
