"""The schema of a skops file without what is left out of it, and with stand-ins for the estimators
of other libraries."""

import json
from io import BytesIO
from typing import Any, BinaryIO
from zipfile import ZipFile

from registry.errors import ArtifactRefused
from registry.formats.left_out import LEFT_OUT, REPLACED, SELECTED_TYPES
from registry.formats.library_boosters import STAND_INS, is_parameter, kept_attributes

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
_OURS = frozenset(STAND_INS.values())


def reduced_schema(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """``schema`` without the nodes of ``left_out`` and with stand-ins, and whether it had any of
    these. Changes ``schema``. Raises ArtifactRefused."""
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
        if name in STAND_INS:
            return _stand_in(name, node)
        if name in _OURS:
            raise ArtifactRefused(f"The artifact names {name}, which no file contains.")
        if name not in REPLACED:
            return node
        found = (node_at(node, "content", "content", key) for key in REPLACED[name])
        node = next(
            (each for each in found if isinstance(each, dict) and each.get("content") != "null"),
            _NOTHING,
        )
    return node


def _stand_in(name: str, node: dict[str, Any]) -> dict[str, Any]:
    """The node of the stand-in of the library's estimator ``name`` at ``node``."""
    given = node_at(node, "content", "content")
    attributes = given if isinstance(given, dict) else {}
    kept = {
        key: value
        for key, value in attributes.items()
        if is_parameter(key) and node_at(value, "__loader__") == "JsonNode"
    }
    for key, places in kept_attributes(name).items():
        found = [_value_at(attributes, place) for place in places]
        for value in found:
            if isinstance(value, dict) and value.get("content") != "null":
                kept[key] = _as_bytes(value)
                break
    module, _, kind = STAND_INS[name].rpartition(".")
    text = {"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode"}
    plain = {"__module__": "builtins"}
    types = {**plain, "__class__": "list", "__loader__": "ListNode", "content": [text] * len(kept)}
    state = {**plain, "__class__": "dict", "__loader__": "DictNode", "content": kept}
    return {
        **{key: value for key, value in node.items() if key == "__id__"},
        "__class__": kind,
        "__module__": module,
        "__loader__": "ObjectNode",
        "content": {**state, "key_types": types},
    }


def _value_at(attributes: dict[str, Any], place: tuple[str, ...]) -> Any:
    """The node at ``place``, through the attributes of the objects on the way."""
    node = attributes.get(place[0])
    for key in place[1:]:
        node = node_at(node, "content", "content", key)
    return node


def _as_bytes(node: dict[str, Any]) -> dict[str, Any]:
    """``node``; if it is a bytearray, for which skops makes a list of all its bytes, as bytes."""
    if node.get("__loader__") != "BytearrayNode":
        return node
    made = {key: value for key, value in node.items() if key != "__id__"}
    return {**made, "__class__": "bytes", "__module__": "builtins", "__loader__": "BytesNode"}


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
