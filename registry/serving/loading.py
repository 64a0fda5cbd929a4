"""From verified bytes to a predictor."""

from registry.blobs.store import BlobStore
from registry.formats.reading import read_model
from registry.serving import forest
from registry.serving.pool import Loader, ServedVersion
from registry.serving.predictor import Predictor, SklearnPredictor

ONNX, FEATURES, FOREST = "onnx", "features", "forest"
"""The compiled forms: a whole model; its preprocessing alone; its trees."""


def loader(blobs: BlobStore) -> Loader:
    """A loader that reads from ``blobs``: the compiled form where there is one.

    Only a version without one is read as its artifact, through the allow-list, which imports
    scikit-learn.
    """

    def read(digest: str) -> bytes:
        with blobs.open(digest) as file:
            return file.read()

    def load(version: ServedVersion) -> Predictor:
        if FOREST in version.compiled and forest.AVAILABLE:
            from registry.serving.forest_predictor import ForestPredictor

            features, trees = (read(version.compiled[name]) for name in (FEATURES, FOREST))
            return ForestPredictor(features, trees, version.signature)
        if ONNX in version.compiled:
            # A worker that serves no compiled version need not load onnxruntime.
            from registry.serving.onnx_predictor import OnnxPredictor

            return OnnxPredictor(read(version.compiled[ONNX]), version.signature)
        with blobs.open(version.sha256) as file:
            return SklearnPredictor(read_model(file, version.format), version.signature)

    return load
