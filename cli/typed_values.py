"""Turns ``column=value`` as typed into the types that a version's signature asks for."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from cli.pairs import json_or_text
from client.replies import Column

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def typed_record(texts: Mapping[str, str], columns: list[Column]) -> dict[str, Any]:
    """``texts`` with each value as its column takes it.

    What cannot be read so goes as text, for the service to name the place. A column that
    ``columns`` does not have is read as JSON where it is some, else as text.
    """
    by_name = {column["name"]: column for column in columns}
    return {
        name: typed_value(text, by_name[name]) if name in by_name else json_or_text(text)
        for name, text in texts.items()
    }


def typed_value(text: str, column: Column) -> Any:
    """``text`` as a value of ``column``; ``null``, or nothing at all, where it may be null."""
    type_ = column.get("type")
    if column.get("nullable") and (text == "null" or (text == "" and type_ != "string")):
        return None
    if type_ == "string":
        # A text in quotes of its own is JSON, typed with more care than was needed.
        value = json_or_text(text)
        return value if isinstance(value, str) else text
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
        number = float(text)  # also takes .5, +5 and 007, which JSON does not
    except ValueError:
        return text
    return number if isfinite(number) and "_" not in text else text
