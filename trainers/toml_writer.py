"""Writes keys, values and comments of TOML."""

import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def key(name: str) -> str:
    """``name`` as a key, quoted where necessary."""
    return name if _BARE.fullmatch(name) else value(name)


def value(given: Any) -> str:
    """A text, number, boolean, list or table on one line."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str):
        return f'"{"".join(map(_escaped, given))}"'
    if isinstance(given, Mapping):
        pairs = (f"{key(name)} = {value(inner)}" for name, inner in given.items())
        body = ", ".join(pairs)
        return f"{{ {body} }}" if body else "{}"
    if isinstance(given, list | tuple):
        return f"[{', '.join(map(value, given))}]"
    return repr(given)


def comment(text: str) -> str:
    """``text`` as a comment on one line."""
    return "# " + " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _escaped(sign: str) -> str:
    if sign in {'"', "\\"}:
        return f"\\{sign}"
    return sign if sign.isprintable() else f"\\U{ord(sign):08x}"
