"""Models as the protocol describes them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from api.protocols.open_inference.infer import offered_outputs
from registry.codecs.tensor_replies import PREDICT, PROBABILITIES
from registry.codecs.tensor_types import BYTES, input_datatype, output_datatype
from registry.engines.served_version import Key
from registry.live.pool import LoadedVersion
from registry.signature import Column

View = dict[str, Any]
_CONTENT_TYPES = {"string": "str", "date": "datetime"}


def metadata_of(loaded: LoadedVersion, versions: Iterable[int]) -> View:
    """The metadata of a version; ``versions``: all of its model that may be used."""
    version = loaded.version
    return {
        "name": version.model,
        "versions": [str(number) for number in versions],
        "platform": _platform(loaded),
        "inputs": [_input(column) for column in version.signature.inputs],
        "outputs": _outputs(loaded),
        "parameters": {"version": str(version.number), "task": version.signature.task},
    }


def config_of(loaded: LoadedVersion) -> View:
    """The configuration of a version, as Triton has it.

    ``max_batch_size`` is 0: otherwise its tools leave the first dimension out of ``dims``.
    """
    inputs = [_input(column) for column in loaded.version.signature.inputs]
    return {
        "name": loaded.version.model,
        "platform": _platform(loaded),
        "backend": "hotswap",
        "max_batch_size": 0,
        "version_policy": {"all": {}},
        "input": [_configured(tensor) for tensor in inputs],
        "output": [_configured(tensor) for tensor in _outputs(loaded)],
    }


def index_entry(key: Key, reason: str = "") -> View:
    """An entry of the repository index; ``reason``: why the version is not served, if it is not."""
    model, number = key
    state = "UNAVAILABLE" if reason else "READY"
    return {"name": model, "version": str(number), "state": state, "reason": reason}


def _platform(loaded: LoadedVersion) -> str:
    return f"hotswap_{loaded.version.format}"


def _input(column: Column) -> View:
    parameters: View = {}
    if column.nullable:
        parameters["nullable"] = True
    if column.type in _CONTENT_TYPES:
        parameters["content_type"] = _CONTENT_TYPES[column.type]
    return _tensor(column.name, input_datatype(column), 1, parameters)


def _outputs(loaded: LoadedVersion) -> list[View]:
    signature = loaded.version.signature
    described = []
    for name in offered_outputs(loaded.predictor):
        if name == PREDICT:
            width = signature.output.size or 1
            described.append(_tensor(name, output_datatype(signature), width, {}))
        elif name == PROBABILITIES:
            classes = signature.output.classes or ()
            # Parameters may only be texts, numbers and booleans.
            listed = msgspec.json.encode(classes).decode()
            described.append(_tensor(name, "FP64", len(classes), {"classes": listed}))
        else:
            described.append(_tensor(name, "FP64", 1, {}))
    return described


def _tensor(name: str, datatype: str, width: int, parameters: View) -> View:
    described: View = {"name": name, "datatype": datatype, "shape": [-1, width]}
    return {**described, "parameters": parameters} if parameters else described


def _configured(tensor: View) -> View:
    datatype = "STRING" if tensor["datatype"] == BYTES else tensor["datatype"]
    return {"name": tensor["name"], "data_type": f"TYPE_{datatype}", "dims": tensor["shape"]}
