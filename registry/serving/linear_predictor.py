"""Answers batches with a linear model: scikit-learn's own formula, without scikit-learn."""

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.errors import ArtifactRefused, PredictionRefused
from registry.serving.chain_program import ChainProgram
from registry.serving.codecs.batch import Batch
from registry.serving.linear_file import from_bytes
from registry.serving.predictor import Answers
from registry.signature import Signature


class LinearPredictor:
    """``columns`` are the bytes of the preprocessing, ``linear`` those of the weights.

    Safe to call from several threads. Raises ArtifactRefused where the two do not fit each other
    or the signature.
    """

    def __init__(self, columns: bytes, linear: bytes, signature: Signature) -> None:
        self.signature = signature
        self._program = ChainProgram(columns, signature)
        try:
            model = from_bytes(linear)
        except ValueError as error:
            raise ArtifactRefused(f"The compiled model is refused: {error}") from error
        self._weights, self._start = model.weights, model.start
        self._classes = signature.output.classes
        self.has_probabilities = model.probabilities
        # Two classes have one score, the second's; otherwise each class has its own.
        outputs = 1 if self._classes is None or len(self._classes) == 2 else len(self._classes)
        if model.weights.shape != (self._program.width, outputs) or (
            model.probabilities and self._classes is None
        ):
            raise ArtifactRefused("The compiled model does not fit the version's signature.")

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """Raises PredictionRefused where the model has no answer for this input."""
        if batch.rows == 1 and not probabilities:
            return Answers([self._answer(self._scores(batch))])
        with np.errstate(over="ignore", invalid="ignore"):  # the scores are looked at below
            scores = [features.dot(self._weights) for features in self._program.blocks(batch)]
        return self._answers(np.concatenate(scores), probabilities=probabilities)

    def _scores(self, batch: Batch) -> list[float]:
        """Of a batch of one row."""
        if len(self._start) > 1:
            return self._program.weigh(batch, self._weights, self._start)
        # numpy adds up one output as it does for scikit-learn, to the last bit. It takes longer.
        with np.errstate(over="ignore", invalid="ignore"):
            scores: list[float] = (
                self._program.array(batch).dot(self._weights) + self._start
            ).tolist()
        return scores

    def _answer(self, scores: list[float]) -> Any:
        if not isfinite(sum(scores)) and not all(map(isfinite, scores)):
            raise _no_answer(0)
        if self._classes is None:
            return scores[0]
        if len(scores) == 1:
            return self._classes[scores[0] > 0]
        return self._classes[scores.index(max(scores))]

    def _answers(self, scores: NDArray[np.float64], *, probabilities: bool) -> Answers:
        with np.errstate(over="ignore", invalid="ignore"):
            scores += self._start
        finite = np.isfinite(scores).all(axis=1)
        if not finite.all():
            raise _no_answer(int(np.flatnonzero(~finite)[0]))
        if self._classes is None:
            return Answers(scores.ravel().tolist())
        winners = scores[:, 0] > 0 if scores.shape[1] == 1 else scores.argmax(axis=1)
        labels = [self._classes[index] for index in winners.tolist()]
        return Answers(labels, _shares(scores) if probabilities else None)


def _no_answer(row: int) -> PredictionRefused:
    return PredictionRefused(f"The model's score for row {row} is not a finite number.")


def _shares(scores: NDArray[np.float64]) -> NDArray[Any]:
    """The probability of each class, rows x classes: the logistic function or softmax."""
    with np.errstate(over="ignore", under="ignore"):
        if scores.shape[1] == 1:
            second = 1.0 / (1.0 + np.exp(-scores))
            return np.hstack((1.0 - second, second))
        # Less the largest, which changes nothing but that no exponential overflows.
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
        return shares
