"""Answers batches with trees that our own kernel walks, to scikit-learn's last bit.

The columns become features first, in double and in scikit-learn's own order of operations; the
trees are walked by ``registry.serving.forest``.
"""

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from registry.errors import ArtifactRefused, PredictionRefused
from registry.serving.codecs.batch import Batch
from registry.serving.forest import Forest, RowsRefused
from registry.serving.forest_file import from_bytes
from registry.serving.predictor import Answers
from registry.signature import Signature


class FeatureProgram(Protocol):
    """What makes ``width`` features of a batch's columns."""

    @property
    def width(self) -> int: ...

    def blocks(self, batch: Batch) -> Iterable[NDArray[np.float64]]:
        """The features, rows x ``width``, some rows at a time; each valid until the next.

        Raises PredictionRefused.
        """


class ForestPredictor:
    """Features from ``program``; ``forest`` are the bytes of the trees.

    Safe to call from several threads. Raises ArtifactRefused where the two do not fit each other
    or the signature.
    """

    def __init__(self, program: FeatureProgram, forest: bytes, signature: Signature) -> None:
        self.signature = signature
        self.has_probabilities = signature.output.classes is not None
        self._program = program
        try:
            self._forest = Forest(from_bytes(forest))
        except ValueError as error:
            raise ArtifactRefused(f"The compiled trees are refused: {error}") from error
        labels = None if self._forest.classes is None else tuple(self._forest.classes.tolist())
        if program.width != self._forest.n_features or labels != signature.output.classes:
            raise ArtifactRefused("The compiled trees do not fit the version's signature.")

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """Raises PredictionRefused where the model has no answer for this input."""
        classes = self.signature.output.classes
        ask = self._forest.predict if classes is None else self._forest.predict_proba
        parts: list[NDArray[np.float64]] = []
        try:
            for features in self._program.blocks(batch):
                parts.append(ask(features))  # noqa: PERF401 - what was answered tells which row was refused
        except RowsRefused as error:
            answered = sum(map(len, parts))
            raise PredictionRefused(
                f"The model has no answer for this input. {error.behind(answered)}"
            ) from error
        answers = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if classes is None:
            return Answers(answers.tolist())
        labels = [classes[index] for index in np.argmax(answers, axis=1).tolist()]
        return Answers(labels, answers if probabilities else None)
