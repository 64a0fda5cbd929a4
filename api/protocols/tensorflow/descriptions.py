"""Models as the protocol describes them."""

from collections.abc import Iterable
from typing import Any

from registry.codecs.tensor_types import input_datatype, output_datatype
from registry.engines.served_version import ServedVersion

View = dict[str, Any]
_TYPES = {"FP64": "DT_DOUBLE", "INT64": "DT_INT64", "BOOL": "DT_BOOL", "BYTES": "DT_STRING"}


def status_of(model: str, versions: Iterable[View]) -> View:
    """The status of ``versions`` of a model that can answer."""
    return {"model_version_status": list(versions), "name": model, "ready": True}


def version_status(number: int, state: str = "AVAILABLE", error: str = "") -> View:
    """The status of a version; ``error``: why it cannot answer, if it cannot."""
    code = "UNAVAILABLE" if error else "OK"
    return {
        "version": str(number),
        "state": state,
        "status": {"error_code": code, "error_message": error},
    }


def metadata_of(version: ServedVersion) -> View:
    """The inputs and the output of a version, as the signature that is used by default."""
    signature = version.signature
    output = signature.output
    inputs = {
        column.name: _tensor(column.name, input_datatype(column)) for column in signature.inputs
    }
    outputs = {output.name: _tensor(output.name, output_datatype(signature), output.size)}
    served = {
        "inputs": inputs,
        "outputs": outputs,
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {
            "name": version.model,
            "signature_name": "",
            "version": str(version.number),
        },
        "metadata": {"signature_def": {"signature_def": {"serving_default": served}}},
    }


def _tensor(name: str, datatype: str, width: int | None = None) -> View:
    sizes = ["-1"] if width is None else ["-1", str(width)]
    shape = {"dim": [{"size": size, "name": ""} for size in sizes], "unknown_rank": False}
    return {"dtype": _TYPES[datatype], "tensor_shape": shape, "name": name}
