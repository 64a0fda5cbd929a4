"""From verified bytes to a predictor."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from registry.blobs.store import BlobStore
from registry.formats.reading import read_model
from registry.serving import chain_program, forest
from registry.serving.pool import Loader, ServedVersion
from registry.serving.predictor import Predictor, SklearnPredictor
from registry.signature import Signature

if TYPE_CHECKING:
    from registry.serving.forest_predictor import FeatureProgram

ONNX, FEATURES, COLUMNS = "onnx", "features", "columns"
FOREST, LINEAR = "forest", "linear"
"""The compiled forms: a whole model; its preprocessing alone, as ONNX or as chains of steps on its
columns; its trees; its weights."""

ReadForm = Callable[[str], bytes]
"""The bytes of a compiled form, by its name."""


def loader(blobs: BlobStore) -> Loader:
    """A loader that reads from ``blobs``: the compiled form where there is one.

    Only a version without one is read as its artifact, through the allow-list, which imports
    scikit-learn.
    """

    def load(version: ServedVersion) -> Predictor:
        def read(form: str) -> bytes:
            with blobs.open(version.compiled[form]) as file:
                return file.read()

        if (compiled := compiled_predictor(version.compiled, read, version.signature)) is not None:
            return compiled
        with blobs.open(version.sha256) as file:
            return SklearnPredictor(read_model(file, version.format), version.signature)

    return load


def compiled_predictor(
    forms: Collection[str], read: ReadForm, signature: Signature
) -> Predictor | None:
    """The fastest predictor that the compiled ``forms`` allow here; None where there is none.

    Each is imported only when it is needed: a worker that needs no ONNX file loads no onnxruntime.

    Raises ArtifactRefused, and what ``read`` raises.
    """
    chains = COLUMNS in forms and chain_program.AVAILABLE
    if FOREST in forms and forest.AVAILABLE and (chains or FEATURES in forms):
        from registry.serving.forest_predictor import ForestPredictor

        return ForestPredictor(_features(forms, read, signature), read(FOREST), signature)
    if LINEAR in forms and chains:
        from registry.serving.linear_predictor import LinearPredictor

        return LinearPredictor(read(COLUMNS), read(LINEAR), signature)
    if ONNX in forms:
        from registry.serving.onnx_predictor import OnnxPredictor

        return OnnxPredictor(read(ONNX), signature)
    return None


def _features(forms: Collection[str], read: ReadForm, signature: Signature) -> "FeatureProgram":
    if COLUMNS in forms:
        return chain_program.ChainProgram(read(COLUMNS), signature)
    from registry.serving.onnx_program import OnnxFeatures

    return OnnxFeatures(read(FEATURES), signature)
