"""Names of columns in options, which may contain spaces, commas, quotes, dots and equals signs."""

import re
from collections.abc import Iterable

import click

from trainers.preparation import PREPARATION_KEYS

_NAME = re.compile(r'\s*"(?P<quoted>(?:[^"]|"")*)"\s*(?:,|$)|(?P<plain>[^,]*)(?:,|$)')
_PREPARED = re.compile(
    rf"(?P<name>.+?)\.(?P<pair>(?:{'|'.join(PREPARATION_KEYS)})\s*=.*)", re.DOTALL
)


def column_names(texts: Iterable[str]) -> list[str]:
    """The names in ``texts``, each a name or a list such as ``a,b,"c, d"``.

    A name by itself is taken as it is, with its spaces. In a list, spaces around a name do not
    belong to it. A name in double quotes is what is between them; ``""`` is a quote there.
    """
    return [name for text in texts for name in _names(text)]


def prepared_column(text: str) -> tuple[str, str]:
    """The name of the column and ``HOW=VALUE`` of ``COLUMN.HOW=VALUE``.

    Raises click.UsageError.
    """
    match = _PREPARED.fullmatch(text)
    if match is not None:
        return match["name"], match["pair"]
    path, equals, value = text.partition("=")
    # The last dot, because the name of a column may contain dots. The recipe refuses the key.
    name, dot, key = path.rpartition(".")
    if not equals or not dot or not name:
        raise click.UsageError(f"--prepare {text}: expected COLUMN.HOW=VALUE.")
    return name, f"{key}={value}"


def divided(key: str, text: str, names: Iterable[str]) -> tuple[str, str]:
    """The column and the value of ``key=text``; the column is the longest of ``names`` that it
    begins with, since a name may contain equals signs, else ``key``."""
    pair = f"{key}={text}"
    found = max((name for name in names if pair.startswith(f"{name}=")), key=len, default=key)
    return found, pair[len(found) + 1 :]


def _names(text: str) -> list[str]:
    found = []
    place = 0
    while place <= len(text):
        match = _NAME.match(text, place)
        assert match is not None  # noqa: S101 - the second part matches anything
        found.append(match)
        place = match.end() + (not match[0].endswith(","))
    if len(found) == 1 and found[0]["quoted"] is None:
        return [text] if text else []
    names = [
        one["plain"].strip() if one["quoted"] is None else one["quoted"].replace('""', '"')
        for one in found
    ]
    return [name for name in names if name]
