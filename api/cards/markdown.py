"""A card as Markdown, in the dialect of GitHub (GFM), whose tables it needs.

What is not ours stands in code, where no renderer finds links, mentions or HTML: short texts in
code spans (CommonMark 0.31, section 6.1), longer ones in fenced blocks (4.5).
"""

import re
import textwrap
from collections.abc import Iterator

from api.cards.blocks import (
    Block,
    Bullets,
    Card,
    Data,
    Listing,
    Paragraph,
    Phrase,
    Said,
    Table,
    visible,
)

MEDIA_TYPE = "text/markdown"
_MEANINGFUL = re.compile(r"([\\`*_\[\]<|~&])")
_WIDTH = 96


def to_markdown(card: Card) -> str:
    """The card as a text that ends with a newline."""
    parts = [f"# {_words(card.title)}"]
    for section in card.sections:
        parts.append(f"## {_words(section.title)}")
        parts += map(_block, section.blocks)
    return "\n\n".join(parts) + "\n"


def code_span(text: str, *, in_table: bool = False) -> str:
    """``text`` in code on one line; nothing, where it is empty, in words."""
    shown = visible(text)
    if in_table:
        # A backslash before it is how a table takes a pipe for itself, so one that is there already
        # is written out.
        shown = shown.replace("\\|", "\\x5c|").replace("|", "\\|")
    if not shown:
        return "(empty)"
    fence = "`" * (_longest_run(shown) + 1)
    # Of a space on both sides one is taken away, unless there is nothing else.
    pad = " " if shown.strip(" ") and (shown[0] in "` " or shown[-1] in "` ") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def fenced(text: str, language: str = "") -> str:
    """``text`` as a block of code; its lines are ours to trust or already visible."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _block(block: Block) -> str:
    match block:
        case Paragraph(phrase):
            return _phrase(phrase)
        case Bullets(items):
            return "\n".join(f"- {_phrase(item)}" for item in items)
        case Table():
            return "\n".join(_table(block))
        case Said(text):
            return fenced("\n".join(_wrapped(text)), "text")
        case Listing(language, code):
            return fenced(code, language)


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(_words, table.head))} |"
    yield f"|{'---|' * len(table.head)}"
    for row in table.rows:
        yield f"| {' | '.join(_phrase(cell, in_table=True) for cell in row)} |"


def _phrase(phrase: Phrase, *, in_table: bool = False) -> str:
    return "".join(
        code_span(part.text, in_table=in_table) if isinstance(part, Data) else _words(part)
        for part in phrase
    )


def _words(text: str) -> str:
    return _MEANINGFUL.sub(r"\\\1", text)


def _wrapped(text: str) -> Iterator[str]:
    for line in text.expandtabs(4).splitlines():
        yield from textwrap.wrap(visible(line), _WIDTH, break_on_hyphens=False) or [""]


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
