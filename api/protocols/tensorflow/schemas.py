"""What the OpenAPI document says of the protocol's bodies."""

from api.negotiation import JSON
from api.protocols.schemas import Schema, list_of, object_of

_TEXT: Schema = {"type": "string"}
_OBJECT: Schema = {"type": "object"}
_ROWS: Schema = {"type": "array", "minItems": 1}
_KEYS: Schema = {
    "instances": {
        **_ROWS,
        "description": "Records, rows by position, or cells of a model with one column.",
    },
    "inputs": {
        "type": ["object", "array"],
        "description": "Columns, rows by position, or cells of a model with one column.",
    },
}
_BODY: Schema = {
    "type": "object",
    "properties": _KEYS,
    "oneOf": [{"required": [key]} for key in _KEYS],
}
PREDICT: Schema = {"requestBody": {"required": True, "content": {JSON: {"schema": _BODY}}}}
PREDICTED: Schema = {
    "type": "object",
    "properties": {
        "predictions": {"type": "array", "description": "For `instances`."},
        "outputs": {"type": "array", "description": "For `inputs`."},
    },
}
_STATUS = object_of(
    {
        "version": _TEXT,
        "state": {"enum": ["AVAILABLE", "LOADING", "END"]},
        "status": object_of({"error_code": _TEXT, "error_message": _TEXT}),
    }
)
STATUS = object_of(
    {"model_version_status": list_of(_STATUS), "name": _TEXT, "ready": {"const": True}}
)
METADATA = object_of(
    {
        "model_spec": object_of({"name": _TEXT, "signature_name": _TEXT, "version": _TEXT}),
        "metadata": _OBJECT,
    }
)
