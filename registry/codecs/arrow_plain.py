"""Reads plain Arrow streams, which most clients send, with ``row_kernel.c``.

A plain stream is one batch of numbers, booleans and texts without dictionaries or compression, in
the layout of a stream that Arrow has read before. Arrow takes longer for 1,000 rows than JSON
does, most of it to make its objects.
"""

from array import array
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from registry.codecs.arrow_layout import Layout
from registry.codecs.batch import Batch
from registry.codecs.compiled_rows import AVAILABLE, batch_of, columns_of
from registry.signature import Signature

if TYPE_CHECKING:
    from registry.codecs import row_kernel

MOST_CELLS = 2**16
"""Arrow reads larger streams, without the lock of the interpreter."""

_NUMBERS = {
    "double": "d",
    "float": "f",
    **{f"int{bits}": code for bits, code in ((8, "b"), (16, "h"), (32, "i"), (64, "q"))},
    **{f"uint{bits}": code for bits, code in ((8, "B"), (16, "H"), (32, "I"), (64, "Q"))},
    "bool": "?",
}
"""The kernel's codes of Arrow's types, by their names."""
_TEXTS = {"string": "u", "large_string": "U"}
_CODES = _NUMBERS | _TEXTS


class PlainForm(NamedTuple):
    """Streams of one layout, as the rows of one signature. ``model`` is the start of one of them,
    ``plan`` what the kernel has to know of it."""

    signature: Signature
    columns: "row_kernel.Columns"
    model: bytes
    plan: memoryview

    def rows(self, stream: bytes) -> int:
        """The rows of ``stream``; 0 where it is not of this form."""
        return self.columns.arrow_rows(stream, self.model, self.plan)

    def read(self, stream: bytes, max_cells: int) -> Batch | None:
        """The rows of ``stream``.

        None where it is not of this form, is not valid, or has more than ``max_cells`` or
        ``MOST_CELLS`` cells.
        """
        rows, width = self.rows(stream), len(self.signature.inputs)
        if not 0 < rows * width <= min(max_cells, MOST_CELLS):
            return None
        cells = np.empty((width, rows))
        if not self.columns.read_arrow(stream, self.model, self.plan, cells):
            return None
        try:
            return batch_of(self.signature, stream, cells, rows)
        except ValueError:  # a text is not UTF-8
            return None


def plain_form(stream: bytes, signature: Signature) -> PlainForm | None:
    """The form of a stream that Arrow has read as rows of ``signature``; None where it is not
    plain."""
    layout = Layout.of(stream) if AVAILABLE else None
    if layout is None or any(column.type == "date" for column in signature.inputs):
        return None
    from registry.codecs.arrow_library import pa

    with pa.ipc.open_stream(stream) as reader:
        schema = reader.schema
    places, buffers = {}, 0
    for node, field in enumerate(schema):
        kind = str(field.type)
        if kind not in _CODES:
            return None
        places[field.name] = ord(_CODES[kind]), node, buffers
        buffers += 3 if kind in _TEXTS else 2
    numbers = layout.numbers
    if (len(schema), buffers) != (numbers.columns, numbers.parts):
        return None
    plan = array("q", (layout.start, *numbers, *layout.edges))
    for name in signature.names:
        plan.extend(places[name])
    return PlainForm(signature, columns_of(signature), stream[: layout.start], memoryview(plan))
