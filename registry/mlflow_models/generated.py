"""The model directory of a version, as MLflow's clients load it.

Source of its form: https://mlflow.org/docs/latest/ml/model/, as written by MLflow 3.17.2.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO

from registry.blobs.store import BlobStore
from registry.blobs.uploads import Entry
from registry.errors import NotOffered
from registry.formats.mlmodel import read_mlmodel
from registry.formats.pickled_joblib import around
from registry.formats.skops_types import named_types
from registry.mlflow_models.directory import MLMODEL
from registry.mlflow_models.environment import environment_files, python_version
from registry.mlflow_models.file_archive import members_of
from registry.signature import ColumnType, Signature
from registry.storage.tables import VersionRow

_FORM = "3.17.2"
_EXAMPLE = "input_example.json"
_PIECE = 2**18
_FILES = {"skops": "model.skops", "joblib": "model.pkl", "onnx": "model.onnx"}
"""The name of the model's file, by the format of the artifact."""
_PACKAGES = {
    "skops": ("mlflow", "scikit-learn", "skops"),
    "joblib": ("mlflow", "scikit-learn", "joblib"),
    "onnx": ("mlflow", "onnx", "onnxruntime"),
}
_TYPES: Mapping[ColumnType, str] = {
    "number": "double",
    "integer": "long",
    "boolean": "boolean",
    "string": "string",
    "date": "string",
}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a directory: ``start``, then ``length`` bytes from ``offset`` on of the blob
    ``digest``, then ``end``."""

    start: bytes = b""
    digest: str | None = None
    offset: int = 0
    length: int = 0
    end: bytes = b""

    @property
    def size(self) -> int:
        return len(self.start) + self.length + len(self.end)

    def pieces(self, blob: BinaryIO) -> Iterator[bytes]:
        """Its content, with that of the open ``blob``."""
        yield self.start
        blob.seek(self.offset)
        left = self.length
        while piece := blob.read(min(left, _PIECE)):
            left -= len(piece)
            yield piece
        yield self.end


def check_loadable(row: VersionRow) -> None:
    """Raises NotOffered for a format that MLflow's clients would predict with in another way."""
    if row.format not in _FILES:
        raise NotOffered(
            f"Version {row.number} of '{row.model}' has the format {row.format}: MLflow's clients "
            f"load versions of the formats {', '.join(_FILES)}."
        )


def entries_in(files: Mapping[str, ModelFile], folder: str = "") -> list[Entry]:
    """The files and folders in a folder of a directory, in order."""
    start = f"{folder}/" if folder else ""
    sizes: dict[str, int | None] = {}
    for path, file in files.items():
        if path.startswith(start):
            name, inner, _ = path.removeprefix(start).partition("/")
            sizes[name] = None if inner else file.size
    return [Entry(name, sizes[name]) for name in sorted(sizes)]


def model_directory(row: VersionRow, blobs: BlobStore) -> dict[str, ModelFile]:
    """The files of the directory of a version, by their paths: those that it was made of, or else
    files that are written from what is known of it.

    Raises NotOffered as ``check_loadable``, BlobUnavailable and StorageUnavailable.
    """
    check_loadable(row)
    if row.files_sha256 is not None:
        return _own_directory(row, row.files_sha256, blobs)
    texts = environment_files(row.environment, _PACKAGES[row.format])
    texts[MLMODEL] = _mlmodel(row, blobs)
    if row.input_example is not None:
        values = [list(row.input_example.values())]
        texts[_EXAMPLE] = json.dumps({"columns": list(row.input_example), "data": values})
    files = {name: _text_file(content) for name, content in texts.items()}
    return dict(sorted({**files, _FILES[row.format]: _artifact(row)}.items()))


def _own_directory(row: VersionRow, archive: str, blobs: BlobStore) -> dict[str, ModelFile]:
    with blobs.open(archive) as blob:
        members = members_of(blob)
        blob.seek(members[MLMODEL].offset)
        described = read_mlmodel(blob.read(members[MLMODEL].size))
    files = {
        path: ModelFile(digest=archive, offset=member.offset, length=member.size)
        for path, member in members.items()
    }
    return {**files, described.file: _artifact(row)}


def _mlmodel(row: VersionRow, blobs: BlobStore) -> dict[str, Any]:
    file = _FILES[row.format]
    loaded: dict[str, Any] = {
        "loader_module": "mlflow.onnx" if row.format == "onnx" else "mlflow.sklearn",
        "python_version": python_version(row.environment),
        "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
    }
    if row.format == "onnx":
        loaded["data"] = file
        flavors = {"onnx": {"code": None, "data": file, "providers": ["CPUExecutionProvider"]}}
    else:
        loaded |= {"model_path": file, "predict_fn": "predict"}
        flavors = {"sklearn": _sklearn(row, file, blobs)}
    known = {
        "flavors": {"python_function": loaded, **flavors},
        "mlflow_version": _FORM,
        "model_size_bytes": row.size,
        "model_uuid": hashlib.sha256(f"{row.model}/{row.number}".encode()).hexdigest()[:32],
        "signature": _signature(Signature.from_json(row.signature)),
        "utc_time_created": f"{row.created_at:%Y-%m-%d %H:%M:%S.%f}",
    }
    if row.input_example is not None:
        example = {"artifact_path": _EXAMPLE, "pandas_orient": "split", "type": "dataframe"}
        known["saved_input_example_info"] = example
    return known


def _sklearn(row: VersionRow, file: str, blobs: BlobStore) -> dict[str, Any]:
    flavor: dict[str, Any] = {"code": None, "pickled_model": file}
    if isinstance(told := row.environment.get("scikit-learn"), str):
        flavor["sklearn_version"] = told
    if row.format == "joblib":
        return {**flavor, "serialization_format": "pickle"}
    # skops refuses what is not on its own list, even if it is on ours.
    trusted = _types_in(blobs, row.sha256)
    return {**flavor, "serialization_format": "skops", "skops_trusted_types": trusted}


@lru_cache(maxsize=256)
def _types_in(blobs: BlobStore, digest: str) -> list[str]:
    """Kept, since a client requests each file of a directory by itself."""
    with blobs.open(digest) as artifact:
        return named_types(artifact)


def _signature(signature: Signature) -> dict[str, str | None]:
    inputs = [
        {"type": _TYPES[column.type], "name": column.name, "required": not column.nullable}
        for column in signature.inputs
    ]
    outputs = [{"type": _TYPES[signature.output.type], "required": True}]
    has_one = signature.output.size is None
    return {
        "inputs": json.dumps(inputs),
        "outputs": json.dumps(outputs) if has_one else None,
        "params": None,
    }


def _text_file(content: object) -> ModelFile:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # absent without libyaml
    is_text = isinstance(content, str)
    encoded = str(
        content if is_text else yaml.dump(content, Dumper=dumper, sort_keys=False)
    ).encode()
    return ModelFile(encoded)


def _artifact(row: VersionRow) -> ModelFile:
    """The model's file. Of joblib and pickle it is read by joblib, as it was inspected: bytes that
    are an array for joblib can be opcodes for pickle."""
    start, end = around(row.size) if row.format == "joblib" else (b"", b"")
    return ModelFile(start, row.sha256, 0, row.size, end)
