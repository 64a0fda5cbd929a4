"""Makes a predictor from the verified bytes of a version."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from registry.blobs.store import BlobStore
from registry.confinement.spawner import Spawner
from registry.engines import boosting_predictor, chain_program, forest
from registry.engines.model_process import MODULES, ModelProcess
from registry.engines.predictor import Predictor
from registry.engines.process_memory import ProcessMemory
from registry.engines.read_program import read_program
from registry.engines.served_version import Loader, ServedVersion
from registry.signature import Signature

if TYPE_CHECKING:
    from registry.engines.forest_predictor import FeatureProgram

ONNX, FEATURES, COLUMNS = "onnx", "features", "columns"
FOREST, LINEAR, BOOSTING = "forest", "linear", "boosting"
"""The compiled forms: a whole model; its preprocessing, as ONNX or as chains of steps on columns;
its trees; its weights."""

ReadForm = Callable[[str], bytes]
"""The bytes of a compiled form, by its name."""


def loader(
    blobs: BlobStore, spawner: Spawner | None = None, memory: ProcessMemory | None = None
) -> Loader:
    """A loader that reads compiled forms from ``blobs``.

    A version without a compiled form, or uploaded as ONNX, is served from its artifact in a process
    that ``spawner`` confines; None: a spawner of the loader's own. ``memory`` limits the memory of
    these processes. This process never reads an artifact.
    """
    confined = Spawner(MODULES) if spawner is None else spawner
    memory = memory or ProcessMemory()

    def load(version: ServedVersion) -> Predictor:
        def read(form: str) -> bytes:
            with blobs.open(version.compiled[form]) as file:
                return file.read()

        if version.format != "onnx":
            compiled = compiled_predictor(version.compiled, read, version.signature)
            if compiled is not None:
                return compiled
        return ModelProcess(
            confined,
            lambda: blobs.open(version.sha256),
            version.format,
            version.signature,
            version.input_example,
            memory=memory,
        )

    return load


def read_forms(forms: Collection[str]) -> tuple[str, ...]:
    """Which of the compiled ``forms`` are loaded, because they are the fastest here.

    Either the form of a whole model, or those of its features and of what uses them. Empty where
    none of the forms can be used.
    """
    chains = COLUMNS in forms and chain_program.AVAILABLE
    features = COLUMNS if chains else FEATURES
    if FOREST in forms and forest.AVAILABLE and features in forms:
        return features, FOREST
    if BOOSTING in forms and boosting_predictor.AVAILABLE and features in forms:
        return features, BOOSTING
    if LINEAR in forms and chains:
        return COLUMNS, LINEAR
    return (ONNX,) if ONNX in forms else ()


def compiled_predictor(
    forms: Collection[str], read: ReadForm, signature: Signature
) -> Predictor | None:
    """The fastest predictor for the compiled ``forms``; None where none can be used here.

    Engines are imported when needed: a worker without ONNX files does not load onnxruntime.

    Raises ArtifactRefused, and what ``read`` raises.
    """
    match read_forms(forms):
        case features, form if form == FOREST:
            from registry.engines.forest_predictor import ForestPredictor

            return ForestPredictor(_features(features, read, signature), read(form), signature)
        case features, form if form == BOOSTING:
            from registry.engines.boosting_predictor import BoostingPredictor

            return BoostingPredictor(_features(features, read, signature), read(form), signature)
        case columns, form:
            from registry.engines.linear_predictor import LinearPredictor

            return LinearPredictor(read(columns), read(form), signature)
        case (form,):
            from registry.engines.onnx_predictor import OnnxPredictor

            return OnnxPredictor(read(form), signature)
    return None


def _features(form: str, read: ReadForm, signature: Signature) -> "FeatureProgram":
    if form == COLUMNS:
        return read_program(read(form), signature)
    from registry.engines.onnx_program import OnnxFeatures

    return OnnxFeatures(read(form), signature)
