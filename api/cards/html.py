"""A card as an HTML page, by a template that escapes all values."""

from pathlib import Path

from flask import render_template

from api.security_headers import policy_of_style
from registry.cards.blocks import Card, visible

MEDIA_TYPE = "text/html"
STYLE = (Path(__file__).parents[1] / "templates" / "card.css").read_text(encoding="utf-8")
POLICY = policy_of_style(STYLE)
"""Only the page's own style is applied, even if something bypassed the escaping."""


def to_html(card: Card) -> str:
    """The card as a complete document."""
    return render_template("card.html", card=card, style=STYLE, visible=visible)
