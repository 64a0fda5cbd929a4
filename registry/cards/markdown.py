"""Blocks as Markdown, in the dialect of GitHub (GFM), whose tables it needs.

Texts of users are written as code, where renderers find no links, mentions or HTML: short texts in
code spans (CommonMark 0.31, section 6.1), longer ones in fenced blocks (4.5).
"""

import re
import textwrap
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from registry.cards.blocks import (
    Block,
    Bullets,
    Card,
    Data,
    Listing,
    Paragraph,
    Phrase,
    Said,
    Section,
    Table,
    visible,
)

MEDIA_TYPE = "text/markdown"
_MEANINGFUL = re.compile(r"([\\`*_\[\]<|~&])")
_WIDTH = 96
_IN_ADDRESS = ":/?#[]@!$&'()*+,;=%-._~"
"""Characters that an address may contain unescaped (RFC 3986, sections 2.2 and 2.3), and ``%``."""


def to_markdown(card: Card) -> str:
    """The card as text that ends with a newline."""
    return written([heading(1, card.title), *sections(card.sections, level=2)])


def written(parts: Iterable[str]) -> str:
    """A document of ``parts``, with an empty line between them."""
    return "\n\n".join(parts) + "\n"


def sections(sections: Iterable[Section], *, level: int) -> Iterator[str]:
    """The headings of ``sections``, of this level, and their blocks."""
    for section in sections:
        yield heading(level, section.title)
        yield from map(_block, section.blocks)


def heading(level: int, *phrase: str | Data) -> str:
    """A heading; 1 is the highest level."""
    return f"{'#' * level} {_phrase(phrase)}"


def link(words: str, address: str) -> str:
    """A link to an address that this service made."""
    return f"[{_words(words)}](<{quote(address, safe=_IN_ADDRESS)}>)"


def code_span(text: str, *, in_table: bool = False) -> str:
    """``text`` as a code span on one line; "(empty)" if it is empty."""
    shown = visible(text)
    if in_table:
        # In a table a backslash escapes a pipe, so a backslash before a pipe in the text is
        # written as \\x5c.
        shown = shown.replace("\\|", "\\x5c|").replace("|", "\\|")
    if not shown:
        return "(empty)"
    fence = "`" * (_longest_run(shown) + 1)
    # Renderers strip one space on both sides, unless the text is only spaces.
    pad = " " if shown.strip(" ") and (shown[0] in "` " or shown[-1] in "` ") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def fenced(text: str, language: str = "") -> str:
    """``text`` as a fenced block; its lines are trusted or already escaped."""
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
