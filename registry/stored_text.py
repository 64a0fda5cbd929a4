"""Which texts the registry can store, and the text of JSON that it stores."""

import json

MAX_DESCRIPTION = 10_000
"""The most characters of the description of a model or a version."""
MAX_TAGS = 100
"""Of a model or a version."""
MAX_TAG_KEY = 200
MAX_TAG_VALUE = 1_000


def unstorable(text: str) -> str | None:
    """Why ``text`` cannot be stored, None where it can."""
    if "\x00" in text:
        return "The character U+0000 cannot be stored."
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "A lone surrogate cannot be stored."
    return None


def json_text(value: object) -> str:
    """The text of a JSON column: without spaces, since evaluations take several kilobytes."""
    return json.dumps(value, separators=(",", ":"))
