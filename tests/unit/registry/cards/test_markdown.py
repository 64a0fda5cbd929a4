"""Markdown shows texts of users literally."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from registry.cards.blocks import (
    Bullets,
    Card,
    Data,
    Listing,
    Paragraph,
    Said,
    Section,
    Table,
    visible,
)
from registry.cards.markdown import to_markdown

PARSER = MarkdownIt("commonmark").enable("table")
PLAIN = {"text", "code_inline", "softbreak"}
BLOCKS = {
    *("heading", "paragraph", "inline", "fence", "bullet_list", "list_item"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
EVIL = [
    "a|b",
    "a\\|b",
    "\\",
    "\\\\|",
    "`",
    "``` `` |",
    " padded ",
    "",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "<script>alert(1)</script>",
    "</code><img src=x onerror=alert(1)>",
    "https://evil.example www.evil.example me@evil.example @everyone #1",
    "&lt;script&gt; &#124; &amp;",
    "line\nbreak\r\n\r\n# heading\n- item\n| cell |",
    "\x00\x1b[2J\u202egnp.exe\u2028\ud800",
    "| --- | --- |",
    "```\n</code></pre>\n```",
]


def parsed(*blocks):
    """The tokens of a card of these blocks; nothing may be in it but what cards are made of."""
    tokens = PARSER.parse(to_markdown(Card("m, version 1", [Section("Section", list(blocks))])))
    for token in tokens:
        assert token.type.removesuffix("_open").removesuffix("_close") in BLOCKS, token.type
        assert {child.type for child in token.children or ()} <= PLAIN
    return tokens


def spans(token):
    return [child.content for child in token.children if child.type == "code_inline"]


def shown(text):
    return [visible(text)] if text else []


@pytest.mark.parametrize("text", EVIL)
def test_a_hostile_text_is_one_code_span(text):
    tokens = parsed(Paragraph(["Says ", Data(text), "."]), Bullets([["It is ", Data(text)]]))
    said = [token for token in tokens if token.type == "inline"][2:]
    assert [spans(token) for token in said] == [shown(text), shown(text)]
    assert [token.type for token in tokens if token.type == "heading_open"] == ["heading_open"] * 2


@pytest.mark.parametrize("text", EVIL)
def test_a_hostile_text_is_one_table_cell(text):
    row = [[Data("before")], [Data(text)], ["after"]]
    tokens = parsed(Table(["A", "B", "C"], [row, row]))
    cells = [token for before, token in pairwise(tokens) if before.type == "td_open"]
    assert len(cells) == 6
    # A pipe behind a backslash is the one thing that is written out.
    expected = [visible(text).replace("\\|", "\\x5c|")] if text else []
    assert [spans(cell) for cell in cells] == [["before"], expected, []] * 2


@pytest.mark.parametrize("text", EVIL)
def test_a_hostile_text_of_several_lines_is_one_block(text):
    tokens = parsed(Said(text), Listing("sh", visible(text)), Paragraph(["end"]))
    assert [token.type for token in tokens if token.type == "fence"] == ["fence", "fence"]
    assert tokens[-2].content == "end"


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
@example(["\\", "|"])
@example(["`a", "b`"])
@example([" ", "   "])
def test_texts_and_cells_have_the_same_number(texts):
    tokens = parsed(Table(["x"] * len(texts), [[[Data(text)] for text in texts]]))
    cells = [token for before, token in pairwise(tokens) if before.type == "td_open"]
    assert len(cells) == len(texts)
    for text, cell in zip(texts, cells, strict=True):
        assert spans(cell) == [one.replace("\\|", "\\x5c|") for one in shown(text)]


@given(st.text(max_size=200))
def test_any_text_is_one_block_with_the_same_words(text):
    tokens = parsed(Said(text))
    (fence,) = [token for token in tokens if token.type == "fence"]
    kept = "".join(visible(line) for line in text.expandtabs(4).splitlines())
    assert "".join(fence.content.split()) == "".join(kept.split())


def test_our_own_words_are_escaped_too():
    tokens = parsed(Paragraph(["less < more, a_b_c *not* [this](x) `nor` that"]))
    (child,) = tokens[7].children
    assert child.content == "less < more, a_b_c *not* [this](x) `nor` that"
