"""The schema of a skops file without what is left out of it."""

import json
from io import BytesIO
from typing import Any, BinaryIO
from zipfile import ZipFile

from registry.formats.left_out import LEFT_OUT, REPLACED, SELECTED_TYPES

SCHEMA = "schema.json"
"""The file with the schema."""
_NOTHING = {
    "__class__": "str",
    "__module__": "builtins",
    "__loader__": "JsonNode",
    "content": "null",
    "is_json": True,
}
"""The node of None."""


def reduced_schema(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """``schema`` without the nodes of ``left_out``, and whether it had any. Changes ``schema``."""
    heading: dict[str, Any] = {
        key: schema[key] for key in ("protocol", "_skops_version") if key in schema
    }
    top = {"top": schema}
    changed = False
    pending: list[Any] = [top]
    while pending:
        value = pending.pop()
        for key, node in value.items() if isinstance(value, dict) else enumerate(value):
            read = _read_instead(node)
            if read is not node:
                value[key] = read
                changed = True
            if isinstance(read, dict | list):
                pending.append(read)
    return {**top["top"], **heading}, changed


def _read_instead(node: Any) -> Any:
    """The node that is read in place of ``node``, or ``node`` itself."""
    while isinstance(node, dict):
        name = f"{node.get('__module__')}.{node.get('__class__')}"
        if name in SELECTED_TYPES or (name in LEFT_OUT and not _is_other_partial(node)):
            return _NOTHING
        if name not in REPLACED:
            return node
        found = (node_at(node, "content", "content", key) for key in REPLACED[name])
        node = next(
            (each for each in found if isinstance(each, dict) and each.get("content") != "null"),
            _NOTHING,
        )
    return node


def _is_other_partial(node: Any) -> bool:
    """Whether it is a partial, but not that with which scikit-learn converts columns."""
    function = node_at(node, "content", "func")
    return bool(node["__class__"] == "partial" and node_at(function, "__class__") != "check_array")


def with_schema(archive: ZipFile, schema: dict[str, Any]) -> BinaryIO:
    """A copy of ``archive`` with another ``schema``."""
    copied = BytesIO()
    with ZipFile(copied, "w") as made:
        for entry in archive.infolist():
            if entry.filename != SCHEMA:
                made.writestr(entry.filename, archive.read(entry))
        made.writestr(SCHEMA, json.dumps(schema))
    return copied


def node_at(node: Any, *path: str) -> Any:
    """The value at ``path`` in ``node``; None where there is none."""
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    return node
