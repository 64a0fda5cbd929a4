"""Predicts with trees and forests by our own kernel, equal to scikit-learn to the last bit.

The columns become features first, in double and in scikit-learn's own order of operations;
``registry.engines.forest`` then walks the trees.
"""

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.engines.forest import Forest, RowsRefused
from registry.engines.forest_file import from_bytes
from registry.errors import ArtifactRefused, PredictionRefused
from registry.signature import Signature


class FeatureProgram(Protocol):
    """Computes ``width`` features from a batch's columns."""

    @property
    def width(self) -> int: ...

    def blocks(self, batch: Batch) -> Iterable[NDArray[np.float64]]:
        """The features, rows x ``width``, some rows at a time; each valid until the next.

        Raises PredictionRefused.
        """

    def row(self, batch: Batch) -> bytes:
        """The features of a batch of one row, as the bytes of ``width`` doubles.

        Raises PredictionRefused.
        """


class ForestPredictor:
    """Features from ``program``; ``forest`` are the bytes of the trees.

    Safe to call from several threads. Raises ArtifactRefused where the two do not fit each other
    or the signature.
    """

    waits = False
    scored = None

    def __init__(self, program: FeatureProgram, forest: bytes, signature: Signature) -> None:
        self.signature = signature
        self.has_probabilities = signature.output.classes is not None
        self._program = program
        try:
            self._forest = Forest(from_bytes(forest))
        except ValueError as error:
            raise ArtifactRefused(f"The compiled trees are not valid: {error}") from error
        labels = None if self._forest.classes is None else tuple(self._forest.classes.tolist())
        if program.width != self._forest.n_features or labels != signature.output.classes:
            raise ArtifactRefused("The compiled trees do not fit the version's signature.")

    @property
    def nbytes(self) -> int:
        """Memory that the packed trees take."""
        return self._forest.nbytes

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Predictions:
        """As in `Predictor`."""
        if batch.rows == 1 and not probabilities:
            return Predictions([self._one(batch)])
        values: list[float] = []
        parts: list[NDArray[np.float64]] = []
        classes = self.signature.output.classes
        done = 0
        try:
            for features in self._program.blocks(batch):
                if classes is None:
                    values += self._forest.values(features)
                else:
                    parts.append(self._forest.predict_proba(features))
                done += len(features)
        except RowsRefused as error:
            raise _refusal(error.behind(done)) from error
        if classes is None:
            return Predictions(values)
        by_class = parts[0] if len(parts) == 1 else np.concatenate(parts)
        labels = [classes[index] for index in np.argmax(by_class, axis=1).tolist()]
        return Predictions(labels, by_class if probabilities else None)

    def _one(self, batch: Batch) -> Any:
        try:
            values = self._forest.one(self._program.row(batch))
        except RowsRefused as error:
            raise _refusal(error) from error
        classes = self.signature.output.classes
        return values[0] if classes is None else classes[values.index(max(values))]


def _refusal(why: RowsRefused) -> PredictionRefused:
    return PredictionRefused(f"The model does not accept this input. {why}")
