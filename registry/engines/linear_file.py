"""Linear models as bytes and back: MessagePack, nothing that runs."""

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

_FORMAT = 1
Layout = Literal["C", "F", "sparse"]
"""How a matrix lies in memory: row by row, column by column, or the entries that are not zero."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearFile:
    """``weights`` (features x outputs) and ``start`` (outputs), float64.

    ``weights`` lie in memory as scikit-learn has them when it multiplies, and ``features`` says
    how what it multiplies them with lies there: both decide the last bits of the sums.
    ``probabilities``: the scores are those of a logistic regression.
    """

    weights: NDArray[np.float64]
    start: NDArray[np.float64]
    probabilities: bool
    features: Layout = "C"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """``weights`` are always written row by row; ``order`` is how they are to lie in memory. Files
    written by earlier versions have neither of the last two fields."""

    format: int
    weights: bytes
    start: bytes
    probabilities: bool
    order: Literal["C", "F"] = "C"
    features: Layout = "C"


def to_bytes(file: LinearFile) -> bytes:
    """The bytes that hold ``file``."""
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
    """What ``to_bytes`` wrote. Raises ValueError where the bytes are no such file."""
    try:
        file = msgspec.msgpack.decode(data, type=_File)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"These bytes are no linear model: {error}") from error
    if file.format != _FORMAT:
        raise ValueError(f"A linear model in format {file.format}, {_FORMAT} is asked.")
    start = np.frombuffer(file.start, "<f8").astype(np.float64)
    weights = np.frombuffer(file.weights, "<f8").astype(np.float64)
    if not len(start) or len(weights) % len(start):
        raise ValueError(f"{len(weights)} weights for {len(start)} outputs.")
    if not (np.isfinite(start).all() and np.isfinite(weights).all()):
        raise ValueError("A weight is not finite.")
    laid_out = np.asarray(weights.reshape(-1, len(start)), order=file.order)
    return LinearFile(laid_out, start, file.probabilities, file.features)
