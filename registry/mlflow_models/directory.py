"""Reads a model directory that was uploaded file by file."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from registry.blobs.store import BlobStore, StagedBlob
from registry.errors import ArtifactRefused, Fault, shown
from registry.formats.mlmodel import MAX_MLMODEL, MlflowModel, first_row, read_mlmodel
from registry.formats.pickled_joblib import START_BYTES, size_within
from registry.mlflow_models.environment import read_requirements
from registry.mlflow_models.file_archive import write_archive
from registry.signature import Record, Scalar
from registry.stored_text import unstorable

MLMODEL = "MLmodel"
_PIECE = 2**20
_LARGEST = 2.0**63


@dataclass(frozen=True, slots=True)
class ModelDirectory:
    """``artifact``: the model's file, received by the blob store; ``files``: the others, in an
    archive, unless the directory was made here; ``columns``: the inputs of the signature, for a
    model that does not name its own."""

    model: MlflowModel
    artifact: StagedBlob
    files: StagedBlob | None
    columns: list[dict[str, Any]] | None
    example: Record | None
    environment: dict[str, str]


def read_directory(folder: Path, blobs: BlobStore, limit: int) -> ModelDirectory:
    """Read the model directory ``folder``, whose model may have ``limit`` bytes.

    Raises ArtifactRefused, TooLarge, StorageFull and StorageUnavailable.
    """
    content = _small_file(folder / MLMODEL)
    if content is None:
        raise _refused(f"expected a file {MLMODEL} of at most {MAX_MLMODEL} bytes")
    model = read_mlmodel(content)
    if not (folder / model.file).is_file():
        raise _refused(f"it has no file {shown(model.file)}, which {MLMODEL} names")
    columns = None if model.signature is None else model.signature["inputs"]
    if any(unstorable(column["name"]) for column in columns or ()):
        raise _refused(f"the signature in {MLMODEL} has a name that cannot be stored")
    packages = read_requirements(_small_file(folder / "requirements.txt") or b"")
    versions = {name: text for name, text in model.environment.items() if text.isprintable()}
    with ExitStack() as received:
        artifact = received.enter_context(blobs.stage(limit))
        files = None
        if _receive(folder / model.file, artifact):
            files = received.enter_context(blobs.stage(2 * limit))  # a tar is longer than its files
            paths = sorted(path for path in folder.rglob("*") if path.is_file())
            write_archive(folder, (path for path in paths if path != folder / model.file), files)
        received.pop_all()
    return ModelDirectory(
        model=model,
        artifact=artifact,
        files=files,
        columns=columns,
        example=_example(folder, model, columns or ()),
        environment={**packages, **versions},
    )


def _receive(path: Path, artifact: StagedBlob) -> bool:
    """Copy the model's file; False if it is one that ``generated`` has wrapped, and its content is
    copied instead."""
    with path.open("rb") as file:
        left = path.stat().st_size
        within = size_within(file.read(START_BYTES), left)
        if within is None:
            file.seek(0)
        else:
            left = within
        while piece := file.read(min(left, _PIECE)):
            artifact.write(piece)
            left -= len(piece)
    return within is None


def _example(
    folder: Path, model: MlflowModel, columns: Sequence[Mapping[str, Any]]
) -> Record | None:
    """The first row of the input example, if it has a value for each of ``columns``.

    Without one the model is warmed with a row that is made up: it only documents the model.
    """
    if not columns or model.example_file is None:
        return None
    content = _small_file(folder / model.example_file)
    row = None if content is None else first_row(content)
    if row is None or any(column["name"] not in row for column in columns):
        return None
    return row if all(map(_is_storable, [*row, *row.values()])) else None


def _is_storable(value: Scalar) -> bool:
    if isinstance(value, str):
        return unstorable(value) is None
    return value is None or (isfinite(value) and abs(value) < _LARGEST)


def _small_file(path: Path) -> bytes | None:
    """Its content, if it is a file of at most MAX_MLMODEL bytes."""
    return path.read_bytes() if path.is_file() and path.stat().st_size <= MAX_MLMODEL else None


def _refused(message: str) -> ArtifactRefused:
    return ArtifactRefused(
        f"The directory is no model of MLflow: {message}.", [Fault(MLMODEL, message)]
    )
