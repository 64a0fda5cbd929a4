"""Reads UBJSON, the binary JSON in which XGBoost saves models, as far as XGBoost writes it.

The specification: https://ubjson.org, draft 12. Typed arrays become numpy arrays.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.errors import ArtifactRefused

_MAX_DEPTH = 64
_MAX_VALUES = 20_000_000
_NUMBERS = {
    b"i": struct.Struct(">b"),
    b"U": struct.Struct(">B"),
    b"I": struct.Struct(">h"),
    b"l": struct.Struct(">i"),
    b"L": struct.Struct(">q"),
    b"d": struct.Struct(">f"),
    b"D": struct.Struct(">d"),
}
_INTEGERS = frozenset({b"i", b"U", b"I", b"l", b"L"})
_PLAIN = {b"Z": None, b"T": True, b"F": False}


def read_ubjson(data: bytes) -> Any:
    """The value in ``data``. Raises ArtifactRefused where the bytes are not one whole value."""
    reader = _Reader(data)
    value = reader.value(reader.take(1))
    if reader.at != len(data):
        raise ArtifactRefused(f"The UBJSON has bytes after its end, at byte {reader.at}.")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._depth = 0
        self._values = 0
        self.at = 0

    def take(self, size: int) -> bytes:
        end = self.at + size
        if size < 0 or end > len(self._data):
            raise ArtifactRefused(f"The UBJSON is truncated: byte {self.at} needs {size} more.")
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def value(self, marker: bytes) -> Any:
        """The value that begins after its type ``marker``."""
        self._values += 1
        if self._values > _MAX_VALUES:
            raise ArtifactRefused(f"The UBJSON has more than {_MAX_VALUES} values.")
        if marker in _NUMBERS:
            return self._number(marker)
        if marker in _PLAIN:
            return _PLAIN[marker]
        if marker == b"S":
            return self._text()
        if marker == b"{":
            with self._nested():
                return self._object()
        if marker == b"[":
            with self._nested():
                return self._array()
        raise ArtifactRefused(f"The UBJSON has the unknown type {marker!r} at byte {self.at - 1}.")

    @contextmanager
    def _nested(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ArtifactRefused(f"The UBJSON is nested more than {_MAX_DEPTH} levels deep.")
        yield
        self._depth -= 1

    def _number(self, marker: bytes) -> Any:
        packed = _NUMBERS[marker]
        return packed.unpack(self.take(packed.size))[0]

    def _length(self) -> int:
        marker = self.take(1)
        if marker not in _INTEGERS:
            raise ArtifactRefused(f"The UBJSON has no length at byte {self.at - 1}.")
        length: int = self._number(marker)
        if length < 0:
            raise ArtifactRefused(f"The UBJSON has a negative length at byte {self.at}.")
        return length

    def _text(self) -> str:
        try:
            return self.take(self._length()).decode()
        except UnicodeDecodeError as error:
            raise ArtifactRefused(f"The UBJSON has a text that is not UTF-8: {error}") from error

    def _object(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while self._data[self.at : self.at + 1] != b"}":
            name = self._text()
            if name in made:
                raise ArtifactRefused(f"The UBJSON has the key {name[:60]!r} twice in an object.")
            made[name] = self.value(self.take(1))
        self.at += 1
        return made

    def _array(self) -> list[Any] | NDArray[Any]:
        if self._data[self.at : self.at + 1] == b"$":
            return self._typed_array()
        if self._data[self.at : self.at + 1] == b"#":
            self.at += 1
            return [self.value(self.take(1)) for _ in range(self._length())]
        made = []
        while (marker := self.take(1)) != b"]":
            made.append(self.value(marker))
        return made

    def _typed_array(self) -> NDArray[Any]:
        self.at += 1
        marker = self.take(1)
        if marker not in _NUMBERS or self.take(1) != b"#":
            raise ArtifactRefused(f"The UBJSON has an invalid typed array at byte {self.at}.")
        kind = np.dtype(_NUMBERS[marker].format)
        raw = self.take(self._length() * kind.itemsize)
        array: NDArray[Any] = np.frombuffer(raw, kind).astype(kind.newbyteorder("="))
        return array
