"""What the OpenAPI document says of the protocol's bodies."""

from typing import Any

from api.protocols.scoring.endpoint import MEDIA_TYPES
from registry.codecs.requests import CSV, JSON

Schema = dict[str, Any]
_ROWS: Schema = {"type": "array", "minItems": 1}
_KEYS: Schema = {
    "dataframe_split": {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {"columns": {"type": "array", "items": {"type": "string"}}, "data": _ROWS},
        "description": "Rows of the columns that are named; `index` is ignored.",
    },
    "dataframe_records": {**_ROWS, "items": {"type": "object"}, "description": "Records."},
    "instances": {**_ROWS, "description": "Records, or rows by position."},
    "inputs": {
        "type": ["object", "array"],
        "description": "Columns, one record, records, or rows by position.",
    },
}
_BODY: Schema = {
    "type": "object",
    "properties": {
        **_KEYS,
        "params": {"type": ["object", "null"], "description": "Ignored."},
    },
    "oneOf": [{"required": [key]} for key in _KEYS],
}
SCORED: Schema = {
    "type": "object",
    "required": ["predictions"],
    "properties": {"predictions": {"type": "array"}},
}
LINES: Schema = {
    "schema": {
        "type": "string",
        "description": "A prediction in each line, for `Accept: text/csv`.",
    },
    "content_type": CSV,
    "success": True,
    "example": "setosa\r\nvirginica\r\n",
}
SCORE: Schema = {
    "requestBody": {
        "required": True,
        "content": {
            media_type: {"schema": _BODY if media_type == JSON else {"type": "string"}}
            for media_type in MEDIA_TYPES
        },
    },
}
PONG: Schema = {"type": "string", "description": "An empty line."}
