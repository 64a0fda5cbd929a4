"""How much memory rows take from decoding to the reply.

Each figure is an upper bound in bytes: the actual use depends on the model, on repeated texts, and
on the allocator.
"""

import msgspec

from registry.signature import Signature, label_text

_NUMBER = 16
"""A double in its column, and in the message to a model process."""
_TEXT = 96
"""A Python string without its characters, and a reference to it."""
_PREDICTION = 48
"""A Python float and a reference to it."""
_PROBABILITY = 16
"""A probability in a part of the batch, and in the whole."""
_WRITTEN = 24
"""The digits of a double in JSON, and the comma."""
_COPIES = 2
"""The parts of a reply, and the reply."""
_PIECE = 4 * 2**20
"""A piece of a body and its cells as Python objects."""


class RowMemory:
    """The memory of rows of ``signature``."""

    def __init__(self, signature: Signature) -> None:
        cells = sum(_TEXT if column.type == "string" else _NUMBER for column in signature.inputs)
        labels = [_length(label_text(label)) for label in signature.output.classes or ()]
        answers = signature.output.size or 1
        self._row = cells + answers * (_PREDICTION + _COPIES * max([_WRITTEN, *labels]))
        self._inputs = _COPIES * _WRITTEN * len(signature.inputs)
        self._probabilities = sum(_PROBABILITY + _COPIES * (label + _WRITTEN) for label in labels)

    def of(
        self,
        rows: int,
        size: int,
        *,
        text: int = 1,
        probabilities: bool,
        with_inputs: bool = False,
    ) -> int:
        """The most bytes that ``rows`` rows and their body of ``size`` unpacked bytes take until
        the reply is sent; ``with_inputs``: which has the cells of the rows too.

        ``text``: the most bytes of texts that are decoded from one byte of the body.
        """
        each = self._row + (self._probabilities if probabilities else 0)
        copies = 1 + text
        if with_inputs:
            each += self._inputs
            copies += _COPIES
        return _PIECE + copies * size + rows * each


def largest_reply(reserved: int) -> int:
    """The largest reply for whose parts and whole the ``reserved`` memory suffices once the rows
    are decoded."""
    return reserved // _COPIES


def _length(text: str) -> int:
    """The bytes of ``text`` in JSON, with a separator."""
    return len(msgspec.json.encode(text)) + 1
