"""Reads and writes files of preprocessing steps in chains: MessagePack, plain data."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

_FORMAT = 1


class Operation(IntEnum):
    """The kinds of steps, numbered as in ``chain_kernel.c``.

    LOOK_UP has the number of entries of its table, and the value of what is not among them. The
    entries follow as steps of the kind ENTRY, each a number and its value: in ascending order, and
    the last one for NaN.
    """

    FILL = 0
    SUBTRACT = 1
    DIVIDE = 2
    MULTIPLY = 3
    ADD = 4
    EQUALS = 5
    IS_MISSING = 6
    BETWEEN = 7
    CLIP = 8
    SIGNED_LOG = 9
    YEAR = 10
    MONTH = 11
    WEEKDAY = 12
    HOUR = 13
    SINE = 14
    COSINE = 15
    LOOK_UP = 16
    ENTRY = 17


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn:
    """A column of free text by its index, its ``terms`` separated by blanks, and the inverse
    document frequency of each (float64): see ``registry.terms``."""

    column: int
    terms: str
    idf: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ChainsFile:
    """For each feature its ``column`` (int32) and the ``length`` of its chain in steps (int32); for
    each step of all chains in turn its ``kind`` (uint8) and operands (float64).

    ``texts``: for each column None, or its known texts, of which the first has code 0.
    ``text_columns``: the columns of free text, whose terms are features after those of the chains.
    """

    texts: list[list[str] | None]
    column: NDArray[np.int32]
    length: NDArray[np.int32]
    kind: NDArray[np.uint8]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    text_columns: tuple[TextColumn, ...] = ()


class _Text(msgspec.Struct, forbid_unknown_fields=True):
    column: int
    terms: str
    idf: bytes


class _File(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    format: int
    texts: list[list[str] | None]
    column: bytes
    length: bytes
    kind: bytes
    first: bytes
    second: bytes
    text_columns: list[_Text] = []


_DTYPES = {"column": "<i4", "length": "<i4", "kind": "<u1", "first": "<f8", "second": "<f8"}


def to_bytes(file: ChainsFile) -> bytes:
    """The content of a file with ``file``."""
    arrays = {name: getattr(file, name).astype(kind).tobytes() for name, kind in _DTYPES.items()}
    texts = [
        _Text(text.column, text.terms, text.idf.astype("<f8").tobytes())
        for text in file.text_columns
    ]
    return msgspec.msgpack.encode(
        _File(format=_FORMAT, texts=file.texts, text_columns=texts, **arrays)
    )


def from_bytes(data: bytes | memoryview) -> ChainsFile:
    """Read what ``to_bytes`` wrote. The kernel checks the numbers.

    Raises ValueError where the bytes are not such a file.
    """
    try:
        file = msgspec.msgpack.decode(data, type=_File)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"These bytes are not a file of chains: {error}") from error
    if file.format != _FORMAT:
        raise ValueError(f"A file of chains in format {file.format}: expected {_FORMAT}.")
    arrays: dict[str, Any] = {
        name: np.frombuffer(getattr(file, name), kind).astype(np.dtype(kind).newbyteorder("="))
        for name, kind in _DTYPES.items()
    }
    texts = tuple(
        TextColumn(text.column, text.terms, np.frombuffer(text.idf, "<f8").astype(np.float64))
        for text in file.text_columns
    )
    return ChainsFile(texts=file.texts, text_columns=texts, **arrays)
