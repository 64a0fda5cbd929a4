"""The predictions of a version for a holdout, and their metrics."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hotswap.metrics.bootstrap import Counts, Figures, Measures, figures_of
from hotswap.metrics.classification import ClassificationMeasures
from hotswap.metrics.names import METRICS
from hotswap.metrics.regression import RegressionMeasures
from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.engines.predictor import Predictor
from registry.errors import HoldoutRefused, shown
from registry.gates.holdouts import Holdout, batches, row_count_differs
from registry.gates.overlap import Overlap
from registry.signature import Label, Signature, label_text

MAX_PROBABILITIES = 2**23
"""Rows times classes: 64 MiB. Beyond it the probabilities are not stored."""
_PROBABILITY_METRICS = ("log_loss", "roc_auc")


@dataclass(frozen=True, slots=True)
class HoldoutPredictions:
    """The predictions of a version for the rows of a holdout, ready to be measured.

    ``missing``: why a metric of the version's task cannot be computed.
    """

    signature: Signature
    rows: int
    measures: Measures
    missing: Mapping[str, str] = field(default_factory=dict)

    def metrics(self) -> dict[str, float]:
        """Every metric of its task that is a finite number on these rows."""
        return figures_of(self.measures, self.rows, METRICS[self.signature.task])

    def figures(self, counts: Counts, names: Collection[str]) -> Figures:
        """Those of the metrics ``names`` that exist, for each draw."""
        return self.measures.figures(counts, names)

    def why_missing(self, metric: str) -> str:
        """Why ``metric`` cannot be computed."""
        if metric not in METRICS[self.signature.task]:
            return f"a {self.signature.task} has no {metric}"
        if metric == "roc_auc":
            default = "a class has no row in the holdout"
        else:
            default = "it is not a finite number on the holdout"
        return self.missing.get(metric, default)


def predict_holdout(
    predictor: Predictor, file: BinaryIO, holdout: Holdout, overlap: Overlap | None = None
) -> HoldoutPredictions:
    """Predict every row of the holdout in ``file``, a few thousand at a time, and count in
    ``overlap`` those that the version was trained on.

    Raises HoldoutRefused where its columns or its target do not fit, BodyMalformed, TooLarge,
    PredictionRefused, ModelProcessUnavailable.
    """
    signature = predictor.signature
    if signature.output.size is not None:
        raise HoldoutRefused(
            f"A version that predicts a list of {signature.output.size} values for each row cannot "
            "be compared with a holdout of one target."
        )
    collected: _Values | _Labels
    if signature.output.classes is None:
        collected = _Values(holdout.rows)
    else:
        collected = _Labels(holdout.rows, signature.output.classes, predictor.has_probabilities)
    done = 0
    for batch in batches(file, holdout.format, holdout.target, signature):
        if overlap is not None:
            overlap.add(batch)
        columns = dict(batch.columns)
        true = columns.pop(holdout.target)
        done += batch.rows
        if done > holdout.rows:
            break
        predictions = predictor.predict(
            Batch(columns, batch.rows), probabilities=collected.wants_probabilities
        )
        collected.add(slice(done - batch.rows, done), true, predictions)
    if done != holdout.rows:
        raise row_count_differs()
    return HoldoutPredictions(signature, holdout.rows, collected.measures(), collected.missing())


class _Values:
    wants_probabilities = False

    def __init__(self, rows: int) -> None:
        self._true, self._predicted = np.empty(rows), np.empty(rows)

    def add(self, where: slice, true: NDArray[Any], predictions: Predictions) -> None:
        self._true[where] = true
        self._predicted[where] = predictions.values

    def measures(self) -> Measures:
        return RegressionMeasures(self._true, self._predicted)

    def missing(self) -> dict[str, str]:
        return {}


class _Labels:
    """Labels as codes: those of the version's classes, then of the target's other labels."""

    def __init__(self, rows: int, classes: tuple[Label, ...], has_probabilities: bool) -> None:
        self._texts = any(isinstance(label, str) for label in classes)
        self._codes = {self._key(label): code for code, label in enumerate(classes)}
        self._classes = len(classes)
        self._has_probabilities = has_probabilities
        self._true, self._predicted = np.empty(rows, np.intp), np.empty(rows, np.intp)
        self.wants_probabilities = has_probabilities and rows * len(classes) <= MAX_PROBABILITIES
        self._probabilities = np.empty((rows, len(classes))) if self.wants_probabilities else None

    def add(self, where: slice, true: NDArray[Any], predictions: Predictions) -> None:
        self._true[where] = self._encoded(true.tolist())
        self._predicted[where] = self._encoded(predictions.values)
        if self._probabilities is not None:
            self._probabilities[where] = predictions.probabilities

    def measures(self) -> Measures:
        probabilities = None if self.missing() else self._probabilities
        return ClassificationMeasures(self._true, self._predicted, self._classes, probabilities)

    def missing(self) -> dict[str, str]:
        if not self._has_probabilities:
            why = "the version predicts no probabilities"
        elif self._probabilities is None:
            why = f"the holdout is too large to keep the probabilities of {self._classes} classes"
        elif len(self._codes) > self._classes:
            other = shown(str([*self._codes][self._classes]))
            why = f"the holdout has the label {other}, which is not one of the version's classes"
        else:
            return {}
        return dict.fromkeys(_PROBABILITY_METRICS, why)

    def _encoded(self, labels: Iterable[Label]) -> list[int]:
        codes = self._codes
        return [codes.setdefault(self._key(label), len(codes)) for label in labels]

    def _key(self, label: Label) -> str | float:
        return label_text(label) if self._texts else float(label)
