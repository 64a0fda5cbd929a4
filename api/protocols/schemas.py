"""Shapes of JSON Schema that the descriptions of several protocols use."""

from typing import Any

Schema = dict[str, Any]


def object_of(required: Schema, **optional: Schema) -> Schema:
    """An object with these members."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
    }


def list_of(items: Schema) -> Schema:
    """An array of ``items``."""
    return {"type": "array", "items": items}
