"""Converts ``column=value`` from the command line to the types of a version's signature."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from cli.pairs import json_or_text
from hotswap.replies import Column

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def typed_record(texts: Mapping[str, str], columns: list[Column]) -> dict[str, Any]:
    """``texts`` with each value converted to the type of its column.

    A value that cannot be converted stays a text, so that the service reports it. The value of an
    unknown column is parsed as JSON if it is valid JSON, else it stays a text.
    """
    by_name = {column["name"]: column for column in columns}
    return {
        name: typed_value(text, by_name[name]) if name in by_name else json_or_text(text)
        for name, text in texts.items()
    }


def typed_value(text: str, column: Column) -> Any:
    """``text`` as a value of ``column``; ``null`` or an empty text is None if allowed."""
    type_ = column.get("type")
    if column.get("nullable") and (text == "null" or (text == "" and type_ != "string")):
        return None
    if type_ == "string":
        # A quoted text is accepted as a JSON string.
        value = json_or_text(text)
        return value if isinstance(value, str) else text
    if type_ == "date":
        return text
    if type_ == "boolean":
        return _TRUTH.get(text.strip().lower(), text)
    if type_ in {"number", "integer"}:
        return _number(text)
    return json_or_text(text)


def _number(text: str) -> int | float | str:
    value = json_or_text(text)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    try:
        number = float(text)  # also accepts .5, +5 and 007, which JSON does not
    except ValueError:
        return text
    return number if isfinite(number) and "_" not in text else text
