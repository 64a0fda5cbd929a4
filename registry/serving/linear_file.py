"""Linear models as bytes and back: MessagePack, nothing that runs."""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

_FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class LinearFile:
    """``weights`` (features x outputs) and ``start`` (outputs), float64.

    ``probabilities``: the scores are those of a logistic regression.
    """

    weights: NDArray[np.float64]
    start: NDArray[np.float64]
    probabilities: bool


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    weights: bytes
    start: bytes
    probabilities: bool


def to_bytes(file: LinearFile) -> bytes:
    """The bytes that hold ``file``."""
    return msgspec.msgpack.encode(
        _File(
            format=_FORMAT,
            weights=file.weights.astype("<f8").tobytes(),
            start=file.start.astype("<f8").tobytes(),
            probabilities=file.probabilities,
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
    return LinearFile(weights.reshape(-1, len(start)), start, file.probabilities)
