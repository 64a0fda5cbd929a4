"""What the OpenAPI document says of the protocol's bodies."""

from typing import Any

from api.codings import ACCEPTED
from api.protocols.open_inference.infer import BINARY, JSON_SIZE

JSON = "application/json"
Schema = dict[str, Any]


def _object(required: Schema, **optional: Schema) -> Schema:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
    }


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


_TEXT: Schema = {"type": "string"}
_BOOLEAN: Schema = {"type": "boolean"}
_SIZE: Schema = {"type": "integer", "minimum": 0, "maximum": 2**53}
_PARAMETERS: Schema = {"type": "object"}
_SHAPE = _list({"type": "integer"})
_TENSOR = _object(
    {"name": _TEXT, "datatype": _TEXT, "shape": _SHAPE}, parameters=_PARAMETERS, data=_list({})
)
_CONFIGURED = _object({"name": _TEXT, "data_type": _TEXT, "dims": _SHAPE})

SERVER = _object({"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)})
LIVE = _object({"live": {"const": True}})
READY = _object({"ready": {"const": True}})
NOT_READY = _object({"ready": {"const": False}, "error": _TEXT})
MODELS = _object({"models": _list(_TEXT)})
MODEL_READY = _object({"name": _TEXT, "ready": {"const": True}})
METADATA = _object(
    {
        "name": _TEXT,
        "versions": _list(_TEXT),
        "platform": _TEXT,
        "inputs": _list(_TENSOR),
        "outputs": _list(_TENSOR),
        "parameters": _PARAMETERS,
    }
)
CONFIG = _object(
    {
        "name": _TEXT,
        "platform": _TEXT,
        "backend": _TEXT,
        "max_batch_size": {"const": 0},
        "version_policy": _PARAMETERS,
        "input": _list(_CONFIGURED),
        "output": _list(_CONFIGURED),
    }
)
INDEX = _list(_object({"name": _TEXT, "version": _TEXT, "state": _TEXT, "reason": _TEXT}))
NOTHING = _object({})
INFERRED = _object(
    {"model_name": _TEXT, "model_version": _TEXT, "outputs": _list(_TENSOR)}, id=_TEXT
)

_INPUT = _object(
    {
        "name": _TEXT,
        "datatype": _TEXT,
        "shape": {"type": "array", "items": _SIZE, "maxItems": 8},
    },
    data={"type": "array", "description": "Flat, or nested as the shape."},
    parameters={
        "type": "object",
        "properties": {
            "binary_data_size": {
                **_SIZE,
                "description": "Instead of `data`: the bytes of this tensor behind the JSON.",
            },
            "content_type": {
                "description": "Of BYTES: `base64` or `pd_json` where the elements are encoded.",
            },
        },
    },
)
_REQUEST = _object(
    {"inputs": _list(_INPUT)},
    id=_TEXT,
    parameters={"type": "object", "properties": {"binary_data_output": _BOOLEAN}},
    outputs=_list(
        _object(
            {"name": _TEXT},
            parameters={
                "type": "object",
                "properties": {"binary_data": _BOOLEAN, "classification": _SIZE},
            },
        )
    ),
)
INFER: Schema = {
    "parameters": [
        {
            "in": "header",
            "name": JSON_SIZE,
            "schema": {"type": "string", "pattern": "^[0-9]{1,15}$"},
            "description": "The bytes of JSON before tensors in binary form, uncompressed.",
        }
    ],
    "requestBody": {
        "required": True,
        "description": f"Content-Type is ignored. Content-Encoding: {', '.join(ACCEPTED)}.",
        "content": {JSON: {"schema": _REQUEST}, BINARY: {"schema": {"type": "string"}}},
    },
}


def _body(properties: Schema) -> Schema:
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": False, "content": {JSON: {"schema": schema}}}}


INDEX_BODY = _body({"ready": _BOOLEAN})
LOAD_BODY = _body(
    {"parameters": {"type": "object", "propertyNames": {"not": {"pattern": "^(config$|file:)"}}}}
)
