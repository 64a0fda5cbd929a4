"""Answers batches with trees that our own kernel walks, to scikit-learn's last bit.

The columns become features in a small ONNX program, in double and in scikit-learn's own order of
operations; the trees are walked by ``registry.serving.forest``.
"""

import numpy as np

from registry.errors import ArtifactRefused, PredictionRefused
from registry.serving.codecs.batch import Batch
from registry.serving.forest import Forest, RowsRefused
from registry.serving.forest_file import from_bytes
from registry.serving.onnx_program import OnnxProgram
from registry.serving.predictor import Answers
from registry.signature import Signature

FEATURES = "features"
_HEADS = (FEATURES,)


class ForestPredictor:
    """``features`` are the bytes of the ONNX program, ``forest`` those of the trees.

    Safe to call from several threads. Raises ArtifactRefused where the two do not fit each other
    or the signature.
    """

    def __init__(self, features: bytes, forest: bytes, signature: Signature) -> None:
        self.signature = signature
        self.has_probabilities = signature.output.classes is not None
        self._program = OnnxProgram(features, signature, FEATURES)
        try:
            self._forest = Forest(from_bytes(forest))
        except ValueError as error:
            raise ArtifactRefused(f"The compiled trees are refused: {error}") from error
        labels = None if self._forest.classes is None else tuple(self._forest.classes.tolist())
        if (
            self._program.shapes[FEATURES].shape != (1, self._forest.n_features)
            or labels != signature.output.classes
        ):
            raise ArtifactRefused("The compiled trees do not fit the version's signature.")

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """Raises PredictionRefused where the model has no answer for this input."""
        rows = self._program.run(batch, _HEADS)[0]
        try:
            if self.signature.output.classes is None:
                return Answers(self._forest.predict(rows).tolist())
            shares = self._forest.predict_proba(rows)
        except RowsRefused as error:
            raise PredictionRefused(f"The model has no answer for this input. {error}") from error
        classes = self.signature.output.classes
        labels = [classes[index] for index in np.argmax(shares, axis=1).tolist()]
        return Answers(labels, shares if probabilities else None)
