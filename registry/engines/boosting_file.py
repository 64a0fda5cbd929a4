"""Reads and writes files of boosted trees: MessagePack, plain data."""

from typing import Any

import msgspec
import numpy as np

from registry.engines.boosting_arrays import BoostingArrays, BoostingParameters

_FORMAT = 1
ARRAYS = {
    "node_counts": "<i8",
    "children_left": "<i4",
    "children_right": "<i4",
    "column": "<i4",
    "split": "<u4",
    "missing_go_to_left": "<u1",
    "leaf_values": "<f8",
    "tree_output": "<i4",
    "column_feature": "<i4",
    "column_kind": "<u1",
    "column_length": "<i4",
    "table": "<f8",
    "sets": "<u4",
    "start": "<f8",
}
"""The arrays of `BoostingArrays` in the order in which the kernel takes them."""


class _File(BoostingParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: int
    arrays: dict[str, bytes]


def to_bytes(arrays: BoostingArrays) -> bytes:
    """The content of a file with ``arrays``."""
    return msgspec.msgpack.encode(
        _File(
            format=_FORMAT,
            **msgspec.structs.asdict(arrays.parameters),
            arrays={
                name: getattr(arrays, name).astype(dtype).tobytes()
                for name, dtype in ARRAYS.items()
            },
        )
    )


def from_bytes(data: bytes | memoryview) -> BoostingArrays:
    """Read what ``to_bytes`` wrote. The kernel checks the trees.

    Raises ValueError where the bytes are not such a file.
    """
    try:
        file = msgspec.msgpack.decode(data, type=_File)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"These bytes are not a file of boosted trees: {error}") from error
    if file.format != _FORMAT:
        raise ValueError(f"A file of boosted trees in format {file.format}: expected {_FORMAT}.")
    if file.arrays.keys() != ARRAYS.keys():
        raise ValueError("The file of boosted trees has other arrays than expected.")
    arrays: dict[str, Any] = {
        name: np.frombuffer(file.arrays[name], dtype).astype(np.dtype(dtype).newbyteorder("="))
        for name, dtype in ARRAYS.items()
    }
    parameters = msgspec.convert(file, BoostingParameters, from_attributes=True)
    return BoostingArrays(parameters, **arrays)
