"""How much memory the texts in a body take as Python strings.

CPython stores each character of a string in as many bytes as its widest one needs: 1 up to U+00FF,
2 up to U+FFFF, 4 beyond (PEP 393). One emoji makes an ASCII text four times as large.
"""

import numpy as np

from registry.codecs.large_bodies import SMALL_BODY

WIDEST = 4
"""The bytes of a character of a string with any characters."""

_FIRST_BYTE_OF_TWO = 0xC4
"""The first byte, in UTF-8, of characters from U+0100 on."""
_FIRST_BYTE_OF_FOUR = 0xF0
_ESCAPE = b"\\u"
_HIGH_SURROGATES = (b"\\ud", b"\\uD")
_SEARCHED_AT_ONCE = 2**16


def text_width(body: bytes) -> int:
    """The most bytes that a character of the UTF-8 text ``body`` takes in a string."""
    if len(body) <= SMALL_BODY:
        return WIDEST
    widest = np.frombuffer(body, np.uint8).max()
    if widest >= _FIRST_BYTE_OF_FOUR:
        return WIDEST
    return 2 if widest >= _FIRST_BYTE_OF_TWO else 1


def json_width(body: bytes) -> int:
    """As ``text_width``, where characters may also be escaped as in JSON."""
    width = text_width(body)
    if width == WIDEST or b"\\" not in body or not _holds(body, _ESCAPE):
        return width
    return WIDEST if any(_holds(body, start) for start in _HIGH_SURROGATES) else 2


def _holds(body: bytes, part: bytes) -> bool:
    """Whether ``part`` is in ``body``. Lets other threads run in between."""
    steps = range(0, len(body), _SEARCHED_AT_ONCE)
    beyond = _SEARCHED_AT_ONCE + len(part) - 1
    return any(body.find(part, at, at + beyond) >= 0 for at in steps)
