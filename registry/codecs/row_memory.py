"""How much memory rows take while they are decoded and answered.

Each figure is an upper bound, in bytes: how much of it is needed depends on the model, on how often
a text is repeated, and on the allocator.
"""

import msgspec

from registry.signature import Signature, label_text

_NUMBER = 16
"""A double in its column, and in the message to a model's process."""
_TEXT = 96
"""A Python string without its characters, and what refers to it."""
_ANSWER = 48
"""A Python float and what refers to it."""
_SHARE = 16
"""A probability, in the part that it was computed in and in the whole."""
_WRITTEN = 24
"""The digits of a double in JSON, and the comma."""
_COPIES = 2
"""A reply is made of its parts."""
_PIECE = 4 * 2**20
"""A piece of a body with its cells as Python objects."""


class RowMemory:
    """The memory of rows of ``signature``."""

    def __init__(self, signature: Signature) -> None:
        cells = sum(_TEXT if column.type == "string" else _NUMBER for column in signature.inputs)
        labels = [_length(label_text(label)) for label in signature.output.classes or ()]
        self._row = cells + _ANSWER + _COPIES * max([_WRITTEN, *labels])
        self._shares = sum(_SHARE + _COPIES * (label + _WRITTEN) for label in labels)

    def of(self, rows: int, size: int, *, text: int = 1, probabilities: bool) -> int:
        """The bytes that ``rows`` rows take at most until they are answered, with the body that
        they come in, which is ``size`` bytes when it is unpacked.

        ``text`` is how many bytes of texts are decoded from one byte of the body at most."""
        each = self._row + (self._shares if probabilities else 0)
        return _PIECE + (1 + text) * size + rows * each


def _length(text: str) -> int:
    """Of ``text`` in JSON, with what separates it from what follows."""
    return len(msgspec.json.encode(text)) + 1
