"""The tensors of the Open Inference Protocol v2, and their data types:
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
and, for tensors in binary form, Triton's extension
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md.

Nothing here knows how tensors are transported.
"""

from math import prod
from typing import Any

import msgspec
import numpy as np

from registry.codecs.tensor_texts import Data
from registry.errors import Fault, InputRefused, shown
from registry.signature import Column, Signature

BYTES = "BYTES"
BOOL = "BOOL"
NUMBERS: dict[str, np.dtype[Any]] = {
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""The layout of the numbers in binary form."""

_OF_COLUMNS = {
    "number": "FP64",
    "integer": "INT64",
    "boolean": BOOL,
    "string": BYTES,
    "date": BYTES,
}


class Tensor(msgspec.Struct, gc=False):
    """A tensor of a request.

    ``raw`` has its elements in binary form, in row-major order; where it is None, ``data`` has them
    as they were decoded from JSON, or an array of its numbers, in which NaN is null.
    ``content_type``: how texts are encoded.
    """

    name: str
    datatype: str
    shape: list[int]
    data: Any = None
    raw: Data | None = None
    content_type: Any = None

    @property
    def count(self) -> int:
        """The number of elements that the shape has."""
        return prod(self.shape)


def input_datatype(column: Column) -> str:
    """The data type in which a column is described to callers."""
    return _OF_COLUMNS[column.type]


def output_datatype(signature: Signature) -> str:
    """The data type of predictions: that of the labels, FP64 for a regression."""
    return "FP64" if signature.output.classes is None else _OF_COLUMNS[signature.output.type]


def refused_input(name: str, message: str, at: str = "") -> InputRefused:
    """The refusal of the input ``name``, or of what is ``at`` a place in it."""
    where = f"inputs[{shown(name)}]{at}"
    return InputRefused(f"{where}: {message}.", [Fault(where, message)])
