"""Reads and writes files of forests: plain data, so that a malicious file is at worst refused.

A file is, in this order:

- 8 bytes, ``HSFOREST``;
- two unsigned 32-bit numbers, little-endian like all numbers: the version of the format (1) and the
  length of the header in bytes;
- the header, a JSON object (`_Header`), padded with spaces to a multiple of 8 bytes;
- the arrays of `ForestArrays` in the order of ``_ARRAYS``, each padded with zeros to a multiple
  of 8 bytes. Their lengths follow from the header, and the file ends with the last of them.
"""

import math
import struct
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.engines.forest_arrays import ForestArrays, Labels
from registry.signature import MAX_CLASSES, Label, Task

_MAGIC: Final = b"HSFOREST"
_FORMAT: Final = 1
_START: Final = struct.Struct("<8sII")
_MAX_HEADER: Final = 64 * 1024 * 1024
_MAX_LABEL: Final = 1_000

_ARRAYS: Final = (
    ("node_counts", "<i8"),
    ("children_left", "<i4"),
    ("children_right", "<i4"),
    ("feature", "<i4"),
    ("threshold", "<f8"),
    ("missing_go_to_left", "<u1"),
    ("leaf_values", "<f8"),
)

_LabelType = Literal[
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "str", "object",
]  # fmt: skip


class _Classes(msgspec.Struct, forbid_unknown_fields=True):
    """Labels and the dtype that they have in scikit-learn; ``width`` is that of a ``str`` dtype."""

    dtype: _LabelType
    labels: list[bool | int | float | str]
    width: int = 0


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    task: Task
    n_features: int
    averaged: bool
    allows_missing: bool
    classes: _Classes | None
    trees: int
    nodes: int
    leaves: int
    outputs: int


def to_bytes(arrays: ForestArrays) -> bytes:
    """The content of a file with ``arrays``.

    Raises ValueError for an array of another dtype than in `ForestArrays`, and for labels that
    `from_bytes` refuses.
    """
    header = msgspec.json.encode(
        _Header(
            task=arrays.task,
            n_features=arrays.n_features,
            averaged=arrays.averaged,
            allows_missing=arrays.allows_missing,
            classes=None if arrays.classes is None else _classes_out(arrays.classes),
            trees=len(arrays.node_counts),
            nodes=len(arrays.children_left),
            leaves=arrays.leaf_values.shape[0],
            outputs=arrays.leaf_values.shape[1],
        )
    )
    header += b" " * _padding(len(header))
    parts = [_START.pack(_MAGIC, _FORMAT, len(header)), header]
    for name, dtype in _ARRAYS:
        array: NDArray[Any] = getattr(arrays, name)
        if array.dtype != np.dtype(dtype):
            raise ValueError(f"{name} is {array.dtype}, not {np.dtype(dtype)}.")
        raw = array.astype(dtype, copy=False).tobytes()
        parts += [raw, bytes(_padding(len(raw)))]
    return b"".join(parts)


def from_bytes(data: bytes | memoryview) -> ForestArrays:
    """The arrays in a file: read-only, and views of ``data`` where it is aligned to 8 bytes.

    Raises ValueError where the bytes are not such a file. The trees themselves are not checked here
    but by `registry.engines.forest.Forest`.
    """
    if len(data) < _START.size:
        raise ValueError("The forest file is truncated.")
    magic, number, length = _START.unpack_from(data)
    if magic != _MAGIC or number != _FORMAT:
        raise ValueError("These bytes are not a forest file, or one of another format.")
    start = _START.size + length
    if length > _MAX_HEADER or length % 8 or start > len(data):
        raise ValueError(f"A header of {length} bytes does not fit the forest file.")
    header = _header_in(bytes(data[_START.size : start]))
    shapes: dict[str, tuple[int, ...]] = {name: (header.nodes,) for name, _ in _ARRAYS}
    shapes["node_counts"] = (header.trees,)
    shapes["leaf_values"] = (header.leaves, header.outputs)
    sizes = {name: math.prod(shapes[name]) * np.dtype(dtype).itemsize for name, dtype in _ARRAYS}
    if len(data) != start + sum(size + _padding(size) for size in sizes.values()):
        raise ValueError("The forest file is not as long as its header says.")
    arrays: dict[str, Any] = {}
    for name, dtype in _ARRAYS:
        array = np.frombuffer(data, dtype, math.prod(shapes[name]), start).reshape(shapes[name])
        # Copies only if the machine is big-endian or ``data`` is not aligned.
        array = array.astype(np.dtype(dtype).newbyteorder("="), copy=not array.flags.aligned)
        array.flags.writeable = False
        arrays[name] = array
        start += sizes[name] + _padding(sizes[name])
    return ForestArrays(
        task=header.task,
        n_features=header.n_features,
        averaged=header.averaged,
        allows_missing=header.allows_missing,
        classes=None if header.classes is None else _classes_in(header.classes),
        **arrays,
    )


def _header_in(raw: bytes) -> _Header:
    try:
        header = msgspec.json.decode(raw, type=_Header)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"The header of the forest file is not valid: {error}") from error
    # This also keeps the sizes computed from them within 64 bits.
    numbers = (header.n_features, header.trees, header.nodes, header.leaves, header.outputs)
    if min(numbers) < 1 or max(numbers) >= 2**31:
        raise ValueError(f"The header of the forest file has sizes out of range: {numbers}.")
    return header


def _classes_out(classes: Labels) -> _Classes:
    kind = "str" if classes.dtype.kind == "U" else classes.dtype.name
    width = classes.dtype.itemsize // 4 if kind == "str" else 0
    found = _Classes(dtype=kind, labels=classes.tolist(), width=width)  # type: ignore[arg-type]
    _classes_in(found)
    return found


def _classes_in(classes: _Classes) -> Labels:
    """The labels in their original dtype. Raises ValueError where they do not fit it."""
    labels, kind = classes.labels, classes.dtype
    if not 1 <= len(labels) <= MAX_CLASSES:
        raise ValueError(f"{len(labels)} classes: expected 1 to {MAX_CLASSES}.")
    expected = {"b": bool, "i": int, "u": int, "f": float, "U": str, "O": str}[np.dtype(kind).kind]
    # The exact type of each label, because a bool is also an int.
    if any(type(label) is not expected for label in labels):
        raise ValueError(f"The classes are not all of type {kind}.")
    if expected is float and not all(math.isfinite(float(label)) for label in labels):
        raise ValueError("A class is not a finite number.")
    if expected is str:
        return _texts(labels, classes)
    with np.errstate(over="ignore"):
        try:
            array = np.array(labels, dtype=kind)
        except OverflowError as error:
            raise ValueError(f"A class does not fit {kind}.") from error
    if array.tolist() != labels:
        raise ValueError(f"A class does not fit {kind}.")
    return array


def _texts(labels: list[Label], classes: _Classes) -> Labels:
    longest = max(len(str(label)) for label in labels)
    if longest > _MAX_LABEL:
        raise ValueError(f"A class of {longest} characters: at most {_MAX_LABEL} are allowed.")
    if classes.dtype == "object":
        return np.array(labels, dtype=object)
    if not max(longest, 1) <= classes.width <= _MAX_LABEL:
        raise ValueError(f"Classes of {longest} characters do not fit a width of {classes.width}.")
    return np.array(labels, dtype=f"<U{classes.width}")


def _padding(length: int) -> int:
    return -length % 8
