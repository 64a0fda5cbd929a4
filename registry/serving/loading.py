"""From verified bytes to a predictor."""

from registry.blobs.store import BlobStore
from registry.formats.reading import read_model
from registry.serving.pool import Loader, ServedVersion
from registry.serving.predictor import Predictor, SklearnPredictor


def loader(blobs: BlobStore) -> Loader:
    """A loader that reads artifacts from ``blobs`` through the allow-list."""

    def load(version: ServedVersion) -> Predictor:
        with blobs.open(version.sha256) as file:
            return SklearnPredictor(read_model(file, version.format), version.signature)

    return load
