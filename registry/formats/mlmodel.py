"""Reads MLmodel, the file in which MLflow describes the model beside it.

The format: https://mlflow.org/docs/latest/ml/model/#mlmodel-file
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.errors import ArtifactRefused, shown
from registry.formats.plain_yaml import read_yaml
from registry.formats.reading import Format
from registry.signature import Record

MAX_MLMODEL = 2**20
"""Bytes of the file; its signature has all columns."""
_INFINITE = (math.inf, -math.inf)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
_FORMATS: Mapping[str, Format] = {
    "skops": "skops",
    "pickle": "joblib",
    "cloudpickle": "joblib",
    "": "joblib",  # what MLflow wrote before it could write others
}
_TYPES = {
    "double": "number",
    "float": "number",
    "long": "integer",
    "integer": "integer",
    "boolean": "boolean",
    "string": "string",
}


@dataclass(frozen=True, slots=True)
class MlflowModel:
    """What MLmodel says of a model that can become a version."""

    format: Format
    file: str
    """The name of the model's file, in the directory of MLmodel."""
    signature: dict[str, Any] | None
    """For the metadata of an upload. Whether a column may be null, and what is predicted, is left
    to the model. None where MLflow has no names of columns, or types that a version cannot have."""
    example_file: str | None
    """The name of the file with the input example, for ``first_row``."""
    environment: dict[str, str]
    predict_function: str
    """What MLflow's scoring calls; ``predict`` unless it was chosen."""
    run_id: str
    model_id: str


def read_mlmodel(content: bytes) -> MlflowModel:
    """Raises ArtifactRefused where it is no MLmodel, or of a model that cannot become a version."""
    if len(content) > MAX_MLMODEL:
        raise ArtifactRefused(f"MLmodel has more than {MAX_MLMODEL} bytes.")
    try:
        document = read_yaml(content)
    except ValueError as error:
        raise ArtifactRefused(f"MLmodel cannot be read: {error}.") from error
    if not isinstance(document, dict) or not isinstance(document.get("flavors"), dict):
        raise ArtifactRefused("MLmodel has no flavors.")
    flavors = document["flavors"]
    format_, file = _artifact(flavors)
    pyfunc = _mapping(flavors.get("python_function"))
    _check_loaded(pyfunc, file)
    example = _mapping(document.get("saved_input_example_info"))
    example_file = _text(example.get("artifact_path"))
    versions = {
        "python": _text(pyfunc.get("python_version")),
        "scikit-learn": _text(_mapping(flavors.get("sklearn")).get("sklearn_version")),
        "mlflow": _text(document.get("mlflow_version")),
    }
    return MlflowModel(
        format=format_,
        file=file,
        signature=_signature(document.get("signature"), format_),
        example_file=example_file if _PLAIN_NAME.fullmatch(example_file) else None,
        environment={name: version for name, version in versions.items() if version},
        predict_function=_text(pyfunc.get("predict_fn")) or "predict",
        run_id=_text(document.get("run_id")),
        model_id=_text(document.get("model_id")),
    )


def first_row(content: bytes) -> Record | None:
    """The first row of an input example that MLflow has saved; None where it has no columns."""
    try:
        example = json.loads(content, parse_constant=lambda _: None)  # NaN is null
    except (ValueError, RecursionError):
        return None
    columns, data = _mapping(example).get("columns"), _mapping(example).get("data")
    if not (isinstance(columns, list) and isinstance(data, list) and data):
        return None
    row = data[0]
    if not (isinstance(row, list) and len(row) == len(columns)):
        return None
    if not all(isinstance(name, str) for name in columns):
        return None
    if not all(map(_is_single, row)):
        return None
    return dict(zip(columns, row, strict=True))


def _is_single(value: object) -> bool:
    """1e999 is a number of JSON, and infinite."""
    return value is None or (isinstance(value, str | int | float) and value not in _INFINITE)


def _artifact(flavors: Mapping[Any, Any]) -> tuple[Format, str]:
    """The format of the model's file, and its name. Raises ArtifactRefused."""
    if isinstance(sklearn := flavors.get("sklearn"), dict):
        written = _text(sklearn.get("serialization_format"))
        if written not in _FORMATS:
            raise ArtifactRefused(f"MLflow wrote the model in the format {shown(written)}.")
        flavor, format_, file = sklearn, _FORMATS[written], sklearn.get("pickled_model")
    elif isinstance(onnx := flavors.get("onnx"), dict):
        flavor, format_, file = onnx, "onnx", onnx.get("data")
    else:
        names = sorted(str(name) for name in flavors if name != "python_function")
        which = ", ".join(map(shown, names[:10])) if names else "python_function alone"
        raise ArtifactRefused(
            f"The model's flavor is {which}; a version is made of the flavor sklearn or onnx."
        )
    others = sorted(
        str(name) for name in flavors if name != "python_function" and flavors[name] is not flavor
    )
    if others:
        raise ArtifactRefused(
            f"The model also has the flavor {', '.join(map(shown, others[:10]))}, whose files are "
            "not inspected: expected one flavor beside python_function."
        )
    if flavor.get("code") is not None:
        raise ArtifactRefused("The model needs code of its own, which is never run here.")
    if not isinstance(file, str) or not _PLAIN_NAME.fullmatch(file) or file == "MLmodel":
        raise ArtifactRefused(f"MLmodel names the model's file {shown(str(file))}: expected a name "
                              "without a path, of another file.")  # fmt: skip
    return format_, file


def _check_loaded(pyfunc: Mapping[Any, Any], file: str) -> None:
    """Raises ArtifactRefused where ``mlflow.pyfunc.load_model`` would run or read something else
    than the flavor's loader and the model's file: clients get the directory as it was uploaded."""
    if pyfunc.get("code") is not None:
        raise ArtifactRefused("The model needs code of its own, which is never run here.")
    loader = pyfunc.get("loader_module")
    if loader not in (None, "mlflow.sklearn", "mlflow.onnx"):
        raise ArtifactRefused(f"The model is loaded by {shown(str(loader))}, not by its flavor.")
    for key in ("data", "model_path"):
        if pyfunc.get(key) not in (None, file):
            raise ArtifactRefused(
                f"MLmodel names {shown(str(pyfunc[key]))} for python_function, and {shown(file)} "
                "for the flavor."
            )


def _signature(signature: object, format_: Format) -> dict[str, Any] | None:
    if format_ == "onnx":  # the graph has its own names, and its output cannot be told from this
        return None
    columns = _list_in(_mapping(signature).get("inputs"))
    inputs = []
    for column in map(_mapping, columns):
        name, type_ = column.get("name"), _TYPES.get(_text(column.get("type")))
        if not isinstance(name, str) or type_ is None:
            return None
        inputs.append({"name": name, "type": type_})
    if not inputs:
        return None
    outputs = [_mapping(each).get("name") for each in _list_in(_mapping(signature).get("outputs"))]
    named = len(outputs) == 1 and isinstance(outputs[0], str) and outputs[0]
    return {"inputs": inputs, "output": {"name": outputs[0]}} if named else {"inputs": inputs}


def _list_in(text: object) -> list[Any]:
    """The list in a text of JSON; an empty one where there is none."""
    try:
        value = json.loads(_text(text) or "[]")
    except (ValueError, RecursionError):
        return []
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
