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
from hotswap.evaluation.row_hashes import row_hashes
from hotswap.evaluation.training_warnings import Part, Training, training_warnings
from hotswap.evaluation.weights import weights
from hotswap.fitted.tables import Column, common_types, label_type, record

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
    output: str = "prediction"
    unused: frozenset[str] = frozenset()

    def metadata(self) -> dict[str, Any]:
        """Signature, input example, metrics and evaluation, as JSON."""
        metrics = self.made.metrics()
        return {
            "signature": {"inputs": inputs(self.model, self.columns), "output": self._output()},
            "input_example": self._example(),
            "metrics": metrics,
            "evaluation": self._evaluation(metrics),
        }

    @property
    def columns(self) -> list[Column]:
        """The columns that the model uses, described by the training data if there are any."""
        return [one for one in described(self.test, self.train) if one.name not in self.unused]

    def _output(self) -> dict[str, Any]:
        if self.made.classes is None:
            return {"name": self.output, "type": "number"}
        classes = self.made.classes.tolist()
        return {"name": self.output, "type": label_type(classes), "classes": classes}

    def _example(self) -> dict[str, Any]:
        """The first row without a missing value, else the first row."""
        known = [column for column in self.columns if column.type]
        if not known:
            return {}
        whole = ~np.logical_or.reduce([column.missing for column in known])
        return record(known, int(np.argmax(whole)))

    def _evaluation(self, metrics: dict[str, float]) -> dict[str, Any]:
        known = [column for column in self.columns if column.type]
        rows = np.arange(len((self.test if self.train is None else self.train)[0].array))
        ranges = column_ranges(known, rows)
        source: Source = "held-out" if self.train is None else "training"
        target = self.made.true if self.train_target is None else self.train_target
        compared = baseline(self.made.task, target, self.made.true)
        intervals = self.made.intervals(metrics, SEED)
        notes = []
        if self.train_target is None:
            notes.append("the baseline is computed from the held-out rows")
        return {
            "rows": len(self.made.true),
            **({} if self.train is None else {"train_rows": len(rows)}),
            "notes": notes,
            "warnings": list(self._warnings(metrics, intervals, compared, ranges)),
            "metric_intervals": intervals,
            "baseline": compared,
            "columns": ranges,
            "profile": profile(known, rows, ranges, self.made, source),
            **figures(self.made, SEED),
            **weights(self.model),
        }

    def _warnings(
        self,
        metrics: dict[str, float],
        intervals: dict[str, list[float]],
        compared: dict[str, float],
        ranges: dict[str, dict[str, Any]],
    ) -> tuple[str, ...]:
        train = None if self.train is None else self._part(self.train, self.train_target)
        true = None if self.train_target is None else self.made.true
        return training_warnings(
            Training(
                target=self.output,
                train=train,
                train_target=self.train_target,
                test=self._part(self.test, true),
                ranges=ranges,
                made=self.made,
                metrics=metrics,
                intervals=intervals,
                baseline=compared,
            )
        )

    def _part(self, table: Sequence[Column], target: NDArray[Any] | None) -> Part:
        """The rows of ``table`` with the columns that a request can contain, and with hashes if
        the model uses no others."""
        types = {one.name: one.type for one in self.columns}
        known = [one for one in table if types.get(one.name)]
        hashes = None
        if self.train is not None and all(types.values()):
            typed = [(one.name, types[one.name], one.array) for one in known]
            hashes = row_hashes(typed, target)
        return Part(known, np.arange(len(table[0].array)), hashes)


def described(test: Sequence[Column], train: Sequence[Column] | None) -> list[Column]:
    """The columns of ``train``, else of ``test``, with types that hold for both, and ``gaps`` where
    one of them lacks a value."""
    return list(test) if train is None else common_types(train, test)


def inputs(model: Any, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """The inputs of a signature for ``columns``.

    What is left out, the service reads from ``model``: the type of values that a request cannot
    contain, and whether a column without gaps is nullable, if a part of the model fills gaps.
    """
    imputes = _imputes(model)
    declared = []
    for column in columns:
        one: dict[str, Any] = {"name": column.name}
        if column.type:
            one["type"] = column.type
        if column.gaps or not imputes:
            one["nullable"] = column.gaps
        declared.append(one)
    return declared


def _imputes(model: Any) -> bool:
    """Whether a part of ``model`` fills missing values."""
    parameters = model.get_params(deep=True).values() if hasattr(model, "get_params") else ()
    return any(type(part).__name__.endswith("Imputer") for part in (model, *parameters))
