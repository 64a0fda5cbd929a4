"""The blocks of a card, independent of the format.

A plain ``str`` is written by this service. Any text of a user, the name of a column as well as a
description, is ``Data`` or ``Said``, which every format shows literally and never as markup.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

MAX_DATA = 200


@dataclass(frozen=True, slots=True)
class Data:
    """A short text of a user, or a value as in JSON: on one line, and truncated."""

    text: str


Phrase = Sequence[str | Data]


@dataclass(frozen=True, slots=True)
class Paragraph:
    kind: ClassVar = "paragraph"
    phrase: Phrase


@dataclass(frozen=True, slots=True)
class Bullets:
    kind: ClassVar = "bullets"
    items: Sequence[Phrase]


@dataclass(frozen=True, slots=True)
class Table:
    kind: ClassVar = "table"
    head: Sequence[str]
    rows: Sequence[Sequence[Phrase]]


@dataclass(frozen=True, slots=True)
class Said:
    """A longer text of a user, with its line breaks."""

    kind: ClassVar = "said"
    text: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Code to copy."""

    kind: ClassVar = "listing"
    language: str
    code: str


Block = Paragraph | Bullets | Table | Said | Listing


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its blocks."""

    title: str
    blocks: list[Block] = field(default_factory=list)

    def say(self, *phrase: str | Data) -> None:
        """Add a paragraph."""
        self.blocks.append(Paragraph(phrase))


@dataclass(frozen=True, slots=True)
class Card:
    """``title`` is the model's name and version, whose grammar excludes markup."""

    title: str
    sections: Sequence[Section]


def data(value: Any) -> Data:
    """``value`` as Data: a string as it is, anything else as in JSON."""
    text = value if isinstance(value, str) else _json(value)
    return Data(text if len(text) <= MAX_DATA else f"{text[: MAX_DATA - 1]}…")


def figure(value: float) -> str:
    """``value`` with six significant digits: 48211.7, 0.82, 7.5e-07."""
    return f"{value:.6g}"


def visible(text: str) -> str:
    """``text`` with invisible characters (control characters, changes of direction) escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _json(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return figure(value) if isinstance(value, float) else str(value)
