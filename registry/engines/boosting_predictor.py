"""Predicts with boosted trees by our own kernel, equal to their library to the last bit.

Where the project was installed without a C compiler, ``AVAILABLE`` is False and such a model cannot
be served.
"""

from math import isfinite
from typing import Any, NoReturn

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.engines.boosting_arrays import Answer, BoostingArrays, BoostingParameters
from registry.engines.boosting_file import ARRAYS, from_bytes
from registry.engines.chain_program import logistic
from registry.engines.forest_predictor import FeatureProgram
from registry.engines.refusals import check_finite
from registry.errors import ArtifactRefused, PredictionRefused
from registry.signature import Label, Signature

try:
    from registry.engines.boosting_kernel import BoostedTrees
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

_WITH_PROBABILITIES = {"second", "shares", "logit", "logit_or_zero", "logits"}


def pack(arrays: BoostingArrays) -> "BoostedTrees":
    """The kernel's trees. Raises ValueError naming the fault where ``arrays`` are not valid."""
    parameters = msgspec.structs.asdict(arrays.parameters)
    del parameters["answer"]  # what the outputs mean is decided here
    return BoostedTrees(*(getattr(arrays, name) for name in ARRAYS), **parameters)


class BoostingPredictor:
    """Features from ``program``; ``boosting`` are the bytes of the trees.

    Safe to call from several threads. Raises ArtifactRefused where the two do not fit each other
    or the signature.
    """

    waits = False
    scored = None

    def __init__(self, program: FeatureProgram, boosting: bytes, signature: Signature) -> None:
        self.signature = signature
        self._program = program
        try:
            arrays = from_bytes(boosting)
            self._trees = pack(arrays)
        except ValueError as error:
            raise ArtifactRefused(f"The boosted trees are not valid: {error}") from error
        self._parameters, self._answer = arrays.parameters, arrays.parameters.answer
        self._outputs = len(arrays.start)
        self.has_probabilities = self._answer in _WITH_PROBABILITIES
        classes = signature.output.classes
        if program.width != arrays.parameters.n_features or not _fits(arrays, classes):
            raise ArtifactRefused("The boosted trees do not fit the version's signature.")

    @property
    def nbytes(self) -> int:
        """Memory that the packed trees take."""
        return self._trees.nbytes

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Predictions:
        """As in `Predictor`."""
        if batch.rows == 1 and not probabilities:
            return Predictions([self._one(batch)])
        outputs = self._evaluate(batch)
        classes = self.signature.output.classes
        if classes is None:
            values = np.exp(outputs[:, 0]) if self._answer == "exp" else outputs[:, 0]
            check_finite(values, "prediction")
            return Predictions(values.tolist())
        check_finite(outputs, "score")
        labels = [classes[place] for place in places(self._answer, outputs).tolist()]
        shares = probabilities_of(self._parameters, outputs) if probabilities else None
        return Predictions(labels, shares)

    def _one(self, batch: Batch) -> Any:
        found = self._trees.one(self._program.row(batch))
        if found is None:
            _refuse(0)
        first = found[0]
        classes: tuple[Label, ...] | None = self.signature.output.classes
        if classes is None:
            value = float(np.exp(first)) if self._answer == "exp" else first
            if not isfinite(value):
                check_finite(np.array([value]), "prediction")
            return value
        if not all(map(isfinite, found)):
            check_finite(np.array([found]), "score")
        match self._answer:
            case "second":
                return classes[first > 0.5]
            case "logit":
                return classes[first > 0.0]
            case "logit_or_zero":
                return classes[first >= 0.0]
            case "place":
                return classes[int(first)]
        return classes[found.index(max(found))]

    def _evaluate(self, batch: Batch) -> NDArray[np.float64]:
        """The linked sums of all rows, rows x outputs."""
        outputs = np.empty((batch.rows, self._outputs))
        done = 0
        for features in self._program.blocks(batch):
            end = done + len(features)
            refused = self._trees.evaluate(np.ascontiguousarray(features), outputs[done:end])
            if refused >= 0:
                _refuse(done + refused)
            done = end
        return outputs


def places(answer: Answer, outputs: NDArray[np.float64]) -> NDArray[np.int64]:
    """The place of each row's class, of the linked sums ``outputs`` (rows x outputs)."""
    found: Any
    match answer:
        case "second":
            found = outputs[:, 0] > 0.5
        case "logit":
            found = outputs[:, 0] > 0.0
        case "logit_or_zero":
            found = outputs[:, 0] >= 0.0
        case "place":
            found = outputs[:, 0]
        case _:
            found = outputs.argmax(axis=1)
    chosen: NDArray[np.int64] = found.astype(np.int64)
    return chosen


def probabilities_of(
    parameters: BoostingParameters, outputs: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rows x classes, of the linked sums ``outputs`` (rows x outputs)."""
    if parameters.answer == "logits":
        # scikit-learn's softmax.
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return shares
    if parameters.answer == "shares":
        return outputs
    second = outputs[:, 0]
    if parameters.answer in {"logit", "logit_or_zero"}:
        second = logistic(second)
    if parameters.single:  # XGBoost subtracts floats
        first = (np.float32(1.0) - second.astype(np.float32)).astype(np.float64)
    else:
        first = 1.0 - second
    return np.column_stack((first, second))


def _fits(arrays: BoostingArrays, classes: tuple[Label, ...] | None) -> bool:
    outputs = len(arrays.start)
    match arrays.parameters.answer:
        case "value" | "exp":
            return classes is None and outputs == 1
        case "second" | "place" | "logit" | "logit_or_zero":
            return classes is not None and len(classes) == 2 and outputs == 1
        case _:
            return classes is not None and outputs == len(classes) >= 2


def _refuse(row: int) -> NoReturn:
    raise PredictionRefused(
        f"The model does not accept this input. Row {row}: a category that training never saw, an "
        "infinity, or a number too large for float32."
    )
