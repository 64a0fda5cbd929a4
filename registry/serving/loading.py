"""From verified bytes to a predictor."""

from registry.blobs.store import BlobStore
from registry.formats.reading import read_model
from registry.serving.pool import Loader, ServedVersion
from registry.serving.predictor import Predictor, SklearnPredictor

ONNX = "onnx"


def loader(blobs: BlobStore) -> Loader:
    """A loader that reads from ``blobs``: the compiled form where there is one.

    Only a version without one is read as its artifact, through the allow-list, which imports
    scikit-learn.
    """

    def load(version: ServedVersion) -> Predictor:
        if ONNX in version.compiled:
            # A worker that serves no compiled version need not load onnxruntime.
            from registry.serving.onnx_predictor import OnnxPredictor

            with blobs.open(version.compiled[ONNX]) as file:
                return OnnxPredictor(file.read(), version.signature)
        with blobs.open(version.sha256) as file:
            return SklearnPredictor(read_model(file, version.format), version.signature)

    return load
