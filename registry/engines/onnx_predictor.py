"""Answers batches with a model compiled to ONNX. Imports neither scikit-learn nor pandas."""

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.engines.onnx_program import BATCH_SECONDS, OnnxProgram
from registry.errors import ArtifactRefused, PredictionRefused
from registry.signature import Signature


class OnnxPredictor:
    """Runs a whole model as an ONNX file in this process. Safe to call from several threads.

    ``seconds``: what a batch may take; ``row_seconds``: what one row took when it was loaded.

    Raises ArtifactRefused where the bytes are no such file, or one for another signature.
    """

    waits = False

    def __init__(
        self, model: bytes, signature: Signature, *, seconds: float = BATCH_SECONDS
    ) -> None:
        self.signature = signature
        head = "value" if signature.output.classes is None else "label"
        self._program = OnnxProgram(model, signature, head, seconds=seconds)
        self.row_seconds = self._program.row_seconds
        self.has_probabilities = "probabilities" in self._program.heads
        self._head: tuple[str, ...] = (head,)
        self._heads: tuple[str, ...] = (head, "probabilities")
        self._check_answers(head)

    def _check_answers(self, head: str) -> None:
        classes = self.signature.output.classes or ()
        shares = self._program.shapes.get("probabilities")
        if self._program.shapes[head].size != 1 or (
            shares is not None and shares.shape != (1, len(classes))
        ):
            raise ArtifactRefused("The ONNX file's answers do not fit the version's signature.")

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Predictions:
        """Raises PredictionRefused where the model has no answer for this input.

        Raises PredictionTimedOut where the batch takes too long.
        """
        found = self._program.run(batch, self._heads if probabilities else self._head)
        shares = _finite(found[1].copy()) if probabilities else None
        return Predictions(self._values(found[0].ravel()), shares)

    def _values(self, values: NDArray[Any]) -> list[Any]:
        classes = self.signature.output.classes
        answers: list[Any] = values.tolist()
        if classes is not None:
            return [classes[index] for index in answers]
        if len(answers) == 1:
            if isfinite(answers[0]):
                return answers
        elif np.isfinite(values).all():
            return answers
        row = next(row for row, answer in enumerate(answers) if not isfinite(answer))
        raise PredictionRefused(f"The model's answer for row {row} is not a finite number.")


def _finite(shares: NDArray[Any]) -> NDArray[Any]:
    """Where the model computes with infinities there is no probability, which JSON cannot say."""
    finite = np.isfinite(shares).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise PredictionRefused(f"The model's probabilities for row {row} are not finite numbers.")
    return shares
