"""Reads and writes files of linear models: MessagePack, plain data."""

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

_FORMAT = 1
Layout = Literal["C", "F", "sparse"]
"""The memory layout of a matrix: by row, by column, or a sparse matrix."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearFile:
    """``weights`` (features x outputs) and ``start`` (outputs), float64.

    ``weights`` have the memory layout with which scikit-learn multiplies them, and ``features`` is
    the layout of the other factor: both affect the last bits of the sums. ``probabilities``: the
    scores are those of a logistic regression.
    """

    weights: NDArray[np.float64]
    start: NDArray[np.float64]
    probabilities: bool
    features: Layout = "C"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """``weights`` are written by row; ``order`` is their layout in memory. Files of earlier
    versions lack the last two fields."""

    format: int
    weights: bytes
    start: bytes
    probabilities: bool
    order: Literal["C", "F"] = "C"
    features: Layout = "C"


def to_bytes(file: LinearFile) -> bytes:
    """The content of a file with ``file``."""
    return msgspec.msgpack.encode(
        _File(
            format=_FORMAT,
            weights=file.weights.astype("<f8").tobytes(),
            start=file.start.astype("<f8").tobytes(),
            probabilities=file.probabilities,
            order="C" if file.weights.flags.c_contiguous else "F",
            features=file.features,
        )
    )


def from_bytes(data: bytes | memoryview) -> LinearFile:
    """Read what ``to_bytes`` wrote. Raises ValueError where the bytes are not such a file."""
    try:
        file = msgspec.msgpack.decode(data, type=_File)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"These bytes are not a linear model: {error}") from error
    if file.format != _FORMAT:
        raise ValueError(f"A linear model in format {file.format}: expected {_FORMAT}.")
    start = np.frombuffer(file.start, "<f8").astype(np.float64)
    weights = np.frombuffer(file.weights, "<f8").astype(np.float64)
    if not len(start) or len(weights) % len(start):
        raise ValueError(f"{len(weights)} weights for {len(start)} outputs.")
    if not (np.isfinite(start).all() and np.isfinite(weights).all()):
        raise ValueError("A weight is not finite.")
    laid_out = np.asarray(weights.reshape(-1, len(start)), order=file.order)
    return LinearFile(laid_out, start, file.probabilities, file.features)
