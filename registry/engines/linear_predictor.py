"""Predicts with a linear model by scikit-learn's own formula, without scikit-learn.

The bits of a sum depend on the order in which its terms are added up. A BLAS chooses the order by
the processor, the layout of the matrices and the number of rows. So this calls the operation that
scikit-learn calls, on arrays of the same layout: docs/decisions/0027-bits-of-linear-models.md.
"""

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.engines.chain_program import logistic
from registry.engines.linear_file import from_bytes
from registry.engines.read_program import read_program
from registry.engines.refusals import check_finite
from registry.errors import ArtifactRefused
from registry.signature import Scalar, Signature

_BLAS = ThreadpoolController().select(user_api="blas")
"""The library that numpy, imported above, multiplies matrices with."""
_VECTOR_CELLS = 4_608
"""OpenBLAS multiplies a matrix by a vector on several threads from 9,216 cells on; the last part of
a batch may have nearly twice as many cells as this."""
_GROUP = 16
"""A BLAS kernel processes up to 16 rows at a time and the remaining rows differently: all parts but
the last are multiples of this."""
_MATRIX_PRODUCTS = 2**20
"""OpenBLAS has another kernel for up to 1,000,000 products; parts of larger batches have more."""


class LinearPredictor:
    """``columns`` are the bytes of the preprocessing, ``linear`` those of the weights.

    Limits numpy's BLAS to one thread, for the rest of the process: the split of a product among
    threads changes its last bits. Safe to call from several threads. Raises ArtifactRefused where
    the two do not fit each other or the signature.
    """

    waits = False
    scored = None

    def __init__(self, columns: bytes, linear: bytes, signature: Signature) -> None:
        self.signature = signature
        self._program = read_program(columns, signature)
        try:
            model = from_bytes(linear)
        except ValueError as error:
            raise ArtifactRefused(f"The compiled model is not valid: {error}") from error
        self._classes = signature.output.classes
        self.has_probabilities = model.probabilities
        # Two classes have one score, the second's; otherwise each class has its own.
        outputs = 1 if self._classes is None or len(self._classes) == 2 else len(self._classes)
        if model.weights.shape != (self._program.width, outputs) or (
            model.probabilities and self._classes is None
        ):
            raise ArtifactRefused("The compiled model does not fit the version's signature.")
        self._weights, self._start, self._layout = model.weights, model.start, model.features
        self._by_feature = np.ascontiguousarray(model.weights)
        self._first = self._by_feature[:, 0].copy(), float(model.start[0])
        self._part = _rows_of_a_part(*model.weights.shape)
        # Not with an environment variable, which has no effect once a server has imported numpy.
        _BLAS.limit(limits=1)

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Predictions:
        """As in `Predictor`."""
        if batch.rows == 1 and not probabilities:
            if self._classes is None:
                return Predictions([self._number(batch)])
            return Predictions([self._label(batch, self._classes)])
        scores = self._scores(batch)
        if self._classes is None:
            return Predictions(scores.ravel().tolist())
        labels = [self._classes[place] for place in _winners(scores)]
        return Predictions(labels, _probabilities(scores) if probabilities else None)

    def _number(self, batch: Batch) -> float:
        """The prediction for a batch of one row."""
        if self._layout == "sparse":
            (score,) = self._program.weighted_sums(batch, self._by_feature, self._start)
        else:
            weights, start = self._first
            with np.errstate(over="ignore", invalid="ignore"):
                score = float(self._program.array(batch).dot(weights)) + start
        if not isfinite(score):
            check_finite(np.array([score]), "score")
        return score

    def _label(self, batch: Batch, classes: tuple[Scalar, ...]) -> Scalar:
        """The label of a batch of one row. scikit-learn's own sums, which take longer, are needed
        only where rounding could decide the label."""
        place = self._program.decide(batch, self._by_feature, self._start)
        if place is None:
            (place,) = _winners(self._scores(batch))
        return classes[place]

    def _scores(self, batch: Batch) -> NDArray[np.float64]:
        """Rows x outputs. Raises PredictionRefused where one is not finite."""
        if self._layout == "sparse":  # scipy adds up a row's terms one after the other
            scores = self._program.weighted_sums_many(batch, self._by_feature, self._start)
        else:
            blocks = self._program.blocks(batch, self._part, by_column=self._layout == "F")
            with np.errstate(over="ignore", invalid="ignore"):  # the scores are checked below
                scores = np.concatenate([features @ self._weights for features in blocks])
                scores += self._start
        check_finite(scores, "score")
        return scores


def _rows_of_a_part(features: int, outputs: int) -> int:
    """How many rows to multiply at a time so that all parts have the bits of a single product."""
    if outputs == 1:
        return max(1, _VECTOR_CELLS // features // _GROUP) * _GROUP
    return -(-_MATRIX_PRODUCTS // (features * outputs * _GROUP)) * _GROUP


def _winners(scores: NDArray[np.float64]) -> list[int]:
    """The index of each row's class: of one score whether it is above zero, else the highest."""
    alone = scores.shape[1] == 1
    winners: list[int] = (scores[:, 0] > 0 if alone else scores.argmax(axis=1)).tolist()
    return winners


def _probabilities(scores: NDArray[np.float64]) -> NDArray[Any]:
    """The probability of each class, rows x classes: the logistic function or softmax."""
    if scores.shape[1] == 1:
        second = logistic(scores)
        return np.hstack((1.0 - second, second))
    # Subtracting the largest score keeps the exponentials from overflowing.
    with np.errstate(under="ignore"):
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        softmax: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
    return softmax
