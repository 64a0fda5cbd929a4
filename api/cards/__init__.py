"""The route of model cards, and their HTML.

Decides only the format; the content of a card and its Markdown are in ``registry.cards``.
"""

from api.cards.view import blueprint

__all__ = ["blueprint"]
