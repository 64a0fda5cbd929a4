"""What an upload says of a fitted model: signature, example, metrics and evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hotswap.evaluation.baseline import baseline
from hotswap.evaluation.column_ranges import column_ranges
from hotswap.evaluation.figures import figures
from hotswap.evaluation.predicted import Predicted
from hotswap.evaluation.profile import Source, profile
from hotswap.evaluation.weights import weights
from hotswap.fitted.tables import Column, common_types, record

SEED = 0
"""Draws the rows of bootstraps and samples; the same model and data give the same metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A fitted ``model``, the columns of its data and its predictions for the held-out rows.

    ``train`` and ``train_target`` are None where the training data are not at hand. ``unused`` are
    the names of columns that the model drops.
    """

    model: Any
    made: Predicted
    test: Sequence[Column]
    train: Sequence[Column] | None = None
    train_target: NDArray[Any] | None = None
    output: str | None = None
    unused: frozenset[str] = frozenset()

    def metadata(self) -> dict[str, Any]:
        """Signature, input example, metrics and evaluation, as JSON."""
        metrics = self.made.metrics()
        signature: dict[str, Any] = {"inputs": self._inputs()}
        if self.output is not None:
            signature["output"] = {"name": self.output}
        return {
            "signature": signature,
            "input_example": self._example(),
            "metrics": metrics,
            "evaluation": self._evaluation(list(metrics)),
        }

    @property
    def columns(self) -> list[Column]:
        """The columns that the model uses, described by the training data if there are any."""
        found = self.test if self.train is None else common_types(self.train, self.test)
        return [column for column in found if column.name not in self.unused]

    def _inputs(self) -> list[dict[str, Any]]:
        """What is left out is read from the model by the service."""
        gaps = {column.name for table in (self.train or (), self.test) for column in table
                if column.missing.any()}  # fmt: skip
        imputes = _imputes(self.model)
        inputs = []
        for column in self.columns:
            declared: dict[str, Any] = {"name": column.name}
            if column.type:
                declared["type"] = column.type
            if column.name in gaps:
                declared["nullable"] = True
            elif not imputes:
                declared["nullable"] = False
            inputs.append(declared)
        return inputs

    def _example(self) -> dict[str, Any]:
        """The first row without a missing value, else the first row."""
        known = [column for column in self.columns if column.type]
        if not known:
            return {}
        whole = ~np.logical_or.reduce([column.missing for column in known])
        return record(known, int(np.argmax(whole)))

    def _evaluation(self, names: list[str]) -> dict[str, Any]:
        known = [column for column in self.columns if column.type]
        rows = np.arange(len((self.test if self.train is None else self.train)[0].array))
        ranges = column_ranges(known, rows)
        source: Source = "held-out" if self.train is None else "training"
        target = self.made.true if self.train_target is None else self.train_target
        notes = []
        if self.train_target is None:
            notes.append("the baseline is computed from the held-out rows")
        return {
            "rows": len(self.made.true),
            **({} if self.train is None else {"train_rows": len(rows)}),
            "notes": notes,
            "metric_intervals": self.made.intervals(names, SEED),
            "baseline": baseline(self.made.task, target, self.made.true),
            "columns": ranges,
            "profile": profile(known, rows, ranges, self.made, source),
            **figures(self.made, SEED),
            **weights(self.model),
        }


def _imputes(model: Any) -> bool:
    """Whether a part of ``model`` fills missing values."""
    parameters = model.get_params(deep=True).values() if hasattr(model, "get_params") else ()
    return any(type(part).__name__.endswith("Imputer") for part in (model, *parameters))
