"""The elements of a tensor, from JSON or from its binary form.

Every size is compared with what was sent before memory is allocated for it.
"""

from base64 import b64decode
from collections.abc import Callable
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.codecs.tensor_texts import Data, TextFault, read_texts
from registry.codecs.tensor_types import BOOL, BYTES, NUMBERS, Tensor, refused_input
from registry.errors import shown

Elements = NDArray[Any] | list[Any]
"""An array of numbers or booleans, or what JSON has, or texts, in row-major order."""

BASE64, JSON_TEXTS = "base64", "pd_json"
"""Content types of texts that are decoded; others mean nothing here."""


def elements(tensor: Tensor) -> Elements:
    """Raises InputRefused."""
    if tensor.datatype not in NUMBERS and tensor.datatype not in {BOOL, BYTES}:
        known = ", ".join((BOOL, *NUMBERS, BYTES))
        message = f"expected one of {known}, not {shown(tensor.datatype)}"
        raise refused_input(tensor.name, message, ".datatype")
    found = _from_json(tensor) if tensor.raw is None else _from_bytes(tensor, tensor.raw)
    kind = tensor.content_type
    if tensor.datatype != BYTES or not isinstance(kind, str) or kind not in _DECODERS:
        return found
    return _decoded(tensor, found, _DECODERS[kind])


def _from_bytes(tensor: Tensor, raw: Data) -> Elements:
    count = tensor.count
    if tensor.datatype == BYTES:
        try:
            return read_texts(raw, count)
        except TextFault as fault:
            at = "" if fault.index is None else f"[{fault.index}]"
            raise refused_input(tensor.name, fault.message, at) from None
    kind = np.dtype(np.uint8) if tensor.datatype == BOOL else NUMBERS[tensor.datatype]
    if len(raw) != count * kind.itemsize:
        expected = f"shape {tensor.shape} of {tensor.datatype} takes {count * kind.itemsize}"
        raise refused_input(tensor.name, f"{len(raw)} bytes were sent, but {expected}")
    numbers: NDArray[Any] = np.frombuffer(raw, kind) if raw else np.empty(0, kind)
    if tensor.datatype == BOOL and count and numbers.max() > 1:
        index = int(np.flatnonzero(numbers > 1)[0])
        message = f"expected 0 or 1 as a boolean, not {numbers[index]}"
        raise refused_input(tensor.name, message, f"[{index}]")
    return numbers


def _from_json(tensor: Tensor) -> Elements:
    data = tensor.data
    if isinstance(data, np.ndarray):
        return data
    if not isinstance(data, list):
        raise refused_input(tensor.name, "expected a list", ".data")
    for size in tensor.shape[:0:-1]:
        if not data or not isinstance(data[0], list):
            break
        if any(not isinstance(part, list) for part in data):
            raise refused_input(tensor.name, "expected either lists or values", ".data")
        if len(tensor.shape) == 2 and any(len(part) != size for part in data):
            raise refused_input(tensor.name, f"its lists do not fit shape {tensor.shape}", ".data")
        data = list(chain.from_iterable(data))
    if len(data) != tensor.count:
        message = f"{len(data)} values, but shape {tensor.shape} has {tensor.count}"
        raise refused_input(tensor.name, message, ".data")
    return data


def _decoded(tensor: Tensor, found: Elements, decode: Callable[[str], Any]) -> list[Any]:
    decoded = []
    for index, text in enumerate(found):
        try:
            decoded.append(decode(text) if isinstance(text, str) else text)
        except (ValueError, msgspec.DecodeError, RecursionError):
            message = f"{shown(text)} is not {tensor.content_type} of a text"
            raise refused_input(tensor.name, message, f"[{index}]") from None
    return decoded


def _from_base64(text: str) -> str:
    return b64decode(text, validate=True).decode()


_DECODERS: dict[str, Callable[[str], Any]] = {
    BASE64: _from_base64,
    JSON_TEXTS: msgspec.json.decode,
}
