"""Schemas of signatures and of the formats of artifacts, declared by uploads and shown."""

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import fields

from registry.formats.reading import FORMATS, Format
from registry.signature import (
    COLUMN_TYPES,
    MAX_CLASSES,
    MAX_COLUMN_NAME,
    MAX_COLUMNS,
    MAX_OUTPUTS,
    OUTPUT_TYPES,
    ColumnType,
)

FORMAT_MEANINGS: Mapping[Format, str] = {
    "skops": "a zip of arrays and a schema, `*.skops`",
    "joblib": "a pickle with arrays, `*.joblib`, `*.pkl` or `*.pickle`",
    "onnx": "a graph for ONNX Runtime, `*.onnx`",
    "xgboost": "what XGBoost's `save_model` writes: UBJSON, `*.ubj`, or JSON",
    "lightgbm": "what LightGBM's `save_model` writes: text",
}
TYPE_MEANINGS: Mapping[ColumnType, str] = {
    "number": "a finite number",
    "integer": "a whole number",
    "boolean": "true or false",
    "string": "text",
    "date": "ISO 8601 text, a day or a time, such as `2026-01-31`, `2026-01-31T09:30:00` (UTC) or "
    "`2026-01-31T09:30:00+01:00`; in Arrow and Parquet also a day or a timestamp",
}


def _listed(meanings: Mapping[Any, str]) -> str:
    return "; ".join(f"`{name}`: {meaning}" for name, meaning in meanings.items())


FORMAT = {"enum": list(FORMATS), "description": f"{_listed(FORMAT_MEANINGS)}."}
DECLARED_FORMAT = {
    "enum": list(FORMATS),
    "description": f"{FORMAT['description']} Left out, it is taken from the name of the file; "
    "`.json` and `.txt` do not say it.",
}
_TYPE = {
    "enum": list(COLUMN_TYPES),
    "description": f"What a request has in the column. {_listed(TYPE_MEANINGS)}.",
}
_NULLABLE = {"description": "Whether a row may have null in the column."}
_OUTPUT_TYPE = {
    "enum": list(OUTPUT_TYPES),
    "description": "Of each predicted value; of a classifier the type of its labels, `string` if "
    "they have several. Never a date.",
}
_LABEL = {"type": ["string", "number", "boolean"]}
_CLASSES = {
    "description": "A classifier's labels, in its own order; with `size`, those of all places. "
    "Absent for a regression.",
}
_SIZE = {
    "minimum": 1,
    "maximum": MAX_OUTPUTS,
    "description": "The number of values that are predicted for each row. `prediction` is then a "
    "list of that length, `predictions` a list of such lists, and an Arrow reply has a column of "
    "lists. Such a version has no probabilities and is not evaluated on a holdout. Absent: a row "
    "gets one value, not a list.",
}
_NAME = {"type": "string", "minLength": 1, "maxLength": MAX_COLUMN_NAME}
DECLARED_SIGNATURE = {
    "description": "What is left out is read from the model: see docs/artifacts.md.",
    "properties": {
        "inputs": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_COLUMNS,
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": _NAME,
                    "type": _TYPE,
                    "nullable": {"type": "boolean", **_NULLABLE},
                },
                "additionalProperties": False,
            },
        },
        "output": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": _NAME,
                "type": _OUTPUT_TYPE,
                "classes": {
                    "type": "array",
                    "items": _LABEL,
                    "minItems": 1,
                    "maxItems": MAX_CLASSES,
                    **_CLASSES,
                },
                "size": {"type": "integer", **_SIZE},
            },
            "additionalProperties": False,
        },
    },
    "required": ["inputs"],
}
"""The signature of an upload."""


class ColumnSchema(ma.Schema):
    name = fields.String()
    type = fields.String(metadata=_TYPE)
    nullable = fields.Boolean(metadata=_NULLABLE)


class OutputSchema(ma.Schema):
    name = fields.String()
    type = fields.String(metadata=_OUTPUT_TYPE)
    classes = fields.List(fields.Raw(metadata=_LABEL), metadata=_CLASSES)
    size = fields.Integer(metadata=_SIZE)


class SignatureSchema(ma.Schema):
    """The columns of a model, in the order of its training, and what it predicts."""

    inputs = fields.List(fields.Nested(ColumnSchema))
    output = fields.Nested(OutputSchema)
