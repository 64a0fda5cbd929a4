"""Predicts with a model compiled to ONNX. Imports neither scikit-learn nor pandas."""

from math import isfinite
from typing import Any

from numpy.typing import NDArray

from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.engines.onnx_program import BATCH_SECONDS, OnnxProgram
from registry.engines.refusals import check_finite
from registry.errors import ArtifactRefused
from registry.signature import Signature


class OnnxPredictor:
    """Runs a whole model as an ONNX file in this process. Safe to call from several threads.

    ``seconds``: the time limit of a batch; ``row_seconds``: what one row took when it was loaded.

    Raises ArtifactRefused where the bytes are not such a file, or are for another signature.
    """

    waits = False
    scored = None

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
        self._check_outputs(head)

    def _check_outputs(self, head: str) -> None:
        classes = self.signature.output.classes or ()
        by_class = self._program.shapes.get("probabilities")
        if self._program.shapes[head].size != 1 or (
            by_class is not None and by_class.shape != (1, len(classes))
        ):
            raise ArtifactRefused("The ONNX file's outputs do not fit the version's signature.")

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Predictions:
        """As in `Predictor`."""
        found = self._program.run(batch, self._heads if probabilities else self._head)
        by_class = None
        if probabilities:
            by_class = found[1].copy()
            check_finite(by_class, "probability")
        return Predictions(self._values(found[0].ravel()), by_class)

    def _values(self, values: NDArray[Any]) -> list[Any]:
        classes = self.signature.output.classes
        predicted: list[Any] = values.tolist()
        if classes is not None:
            return [classes[index] for index in predicted]
        if len(predicted) > 1 or not isfinite(predicted[0]):  # numpy takes longer for one number
            check_finite(values, "prediction")
        return predicted
