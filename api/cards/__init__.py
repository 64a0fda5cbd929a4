"""Model cards: what a version is, where it comes from, how good it is, and how to call it.

What a card says is put together once, in blocks; Markdown and HTML are two ways to write them.
"""

from api.cards.view import blueprint

__all__ = ["blueprint"]
