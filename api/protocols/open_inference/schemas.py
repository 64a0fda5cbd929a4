"""What the OpenAPI document says of the protocol's bodies."""

from api.codings import ACCEPTED
from api.protocols.open_inference.infer import BINARY, JSON_SIZE
from api.protocols.schemas import Schema, list_of, object_of

JSON = "application/json"

_TEXT: Schema = {"type": "string"}
_BOOLEAN: Schema = {"type": "boolean"}
_SIZE: Schema = {"type": "integer", "minimum": 0, "maximum": 2**53}
_PARAMETERS: Schema = {"type": "object"}
_SHAPE = list_of({"type": "integer"})
_TENSOR = object_of(
    {"name": _TEXT, "datatype": _TEXT, "shape": _SHAPE}, parameters=_PARAMETERS, data=list_of({})
)
_CONFIGURED = object_of({"name": _TEXT, "data_type": _TEXT, "dims": _SHAPE})

SERVER = object_of({"name": _TEXT, "version": _TEXT, "extensions": list_of(_TEXT)})
LIVE = object_of({"live": {"const": True}})
READY = object_of({"ready": {"const": True}})
NOT_READY = object_of({"ready": {"const": False}, "error": _TEXT})
MODEL_READY = object_of({"name": _TEXT, "ready": {"const": True}})
METADATA = object_of(
    {
        "name": _TEXT,
        "versions": list_of(_TEXT),
        "platform": _TEXT,
        "inputs": list_of(_TENSOR),
        "outputs": list_of(_TENSOR),
        "parameters": _PARAMETERS,
    }
)
CONFIG = object_of(
    {
        "name": _TEXT,
        "platform": _TEXT,
        "backend": _TEXT,
        "max_batch_size": {"const": 0},
        "version_policy": _PARAMETERS,
        "input": list_of(_CONFIGURED),
        "output": list_of(_CONFIGURED),
    }
)
INDEX = list_of(object_of({"name": _TEXT, "version": _TEXT, "state": _TEXT, "reason": _TEXT}))
_COUNT: Schema = {"type": "integer", "minimum": 0}
_DURATION = object_of({"count": _COUNT, "ns": _COUNT})
_DURATIONS = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
STATISTICS = object_of(
    {
        "model_stats": list_of(
            object_of(
                {
                    "name": _TEXT,
                    "version": _TEXT,
                    "last_inference": _COUNT,
                    "inference_count": _COUNT,
                    "execution_count": _COUNT,
                    "inference_stats": object_of(dict.fromkeys(_DURATIONS, _DURATION)),
                    "batch_stats": list_of({}),
                }
            )
        )
    }
)
NOTHING = object_of({})
INFERRED = object_of(
    {"model_name": _TEXT, "model_version": _TEXT, "outputs": list_of(_TENSOR)}, id=_TEXT
)

_INPUT = object_of(
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
_REQUEST = object_of(
    {"inputs": list_of(_INPUT)},
    id=_TEXT,
    parameters={"type": "object", "properties": {"binary_data_output": _BOOLEAN}},
    outputs=list_of(
        object_of(
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
