"""Reads structs in Thrift's compact protocol, in which Parquet writes footers and page headers:
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.

What a reader could understand in another way is refused: a field that is there twice or has another
type, or a number that overflows.

``thrift_kernel.c`` does the same in a tenth of the time or less. Where the project was installed
without a C compiler, ``AVAILABLE`` is False and the Python code below is used instead.
"""

from typing import Any, NamedTuple, Union

try:
    from registry.codecs import thrift_kernel
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

Fields = dict[int, Any]
"""Fields of a struct by their numbers: integers, structs as ``Fields``, and lists of structs."""


class ListOf(NamedTuple):
    """The fields to read of each struct in a list."""

    fields: "Wanted"


Wanted = dict[int, Union["Wanted", ListOf, int]]
"""The fields to read of a struct, and of the structs in it; of integers the type, I32 or I64."""

I32, I64 = 5, 6
_TRUE, _FALSE, _BYTE, _I16, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 4, 7, 8, 9, 10, 12
_INTEGERS = (_I16, I32, I64)
_MAX_DEPTH = 10
_MAX_FIELD = 2**15 - 1
_VARINT_BYTES = 10
_TOO_DEEP = "its values are nested too deeply"


def read_in_python(data: bytes, wanted: Wanted, most_values: int) -> tuple[Fields, int]:
    """The ``wanted`` fields of the struct at the start of ``data``, and where it ends.

    ``most_values`` is the number of fields and items of lists that it may have.

    Raises IndexError where ``data`` ends before the struct does, ValueError where it is not such a
    struct.
    """
    reader = _Reader(data, most_values)
    return reader.struct(0, wanted, _MAX_DEPTH)


read_struct = thrift_kernel.read_struct if AVAILABLE else read_in_python


class _Reader:
    def __init__(self, data: bytes, most_values: int) -> None:
        self._data = data
        self._left = most_values

    def struct(self, at: int, wanted: Wanted, depth: int) -> tuple[Fields, int]:
        if depth <= 0:
            raise ValueError(_TOO_DEEP)
        data = self._data
        fields: Fields = {}
        seen = 0
        number = 0
        while head := data[at]:
            at += 1
            if head > 15:
                number += head >> 4
            else:
                number, at = _integer(data, at)
            if not 0 < number <= _MAX_FIELD or seen >> number & 1:
                raise ValueError("a field is repeated or out of range")
            seen |= 1 << number
            kind = head & 15
            if number in wanted:
                fields[number], at = self._wanted(kind, at, wanted[number], depth - 1)
            elif kind not in (_TRUE, _FALSE):
                at = self._skip(kind, at, depth - 1)
            self._count(1)
        return fields, at + 1

    def _wanted(
        self, kind: int, at: int, inner: Wanted | ListOf | int, depth: int
    ) -> tuple[Any, int]:
        if kind == inner and kind in _INTEGERS:
            return _integer(self._data, at)
        if isinstance(inner, dict) and kind == _STRUCT:
            return self.struct(at, inner, depth)
        if not isinstance(inner, ListOf) or kind != _LIST:
            raise ValueError("a field has another type")
        item, size, at = self._list(at)
        if item != _STRUCT:
            raise ValueError("a list has items of another type")
        structs = []
        for _ in range(size):
            fields, at = self.struct(at, inner.fields, depth)
            structs.append(fields)
        return structs, at

    def _skip(self, kind: int, at: int, depth: int) -> int:
        """The end of the value at ``at``, without reading it."""
        if depth < 0:
            raise ValueError(_TOO_DEEP)
        if kind in _INTEGERS:
            return _unsigned(self._data, at)[1]
        if kind == _BINARY:
            size, at = _unsigned(self._data, at)
            return at + size
        if kind == _STRUCT:
            return self.struct(at, {}, depth)[1]
        if kind in (_LIST, _SET):
            item, size, at = self._list(at)
            for _ in range(size):
                # A boolean in a list takes a byte, in a struct none.
                at = at + 1 if item in (_TRUE, _FALSE) else self._skip(item, at, depth - 1)
            return at
        if kind in (_BYTE, _DOUBLE):
            return at + (1 if kind == _BYTE else 8)
        raise ValueError(f"a field has the type {kind}")

    def _list(self, at: int) -> tuple[int, int, int]:
        """The type and number of the items, and where they begin."""
        head = self._data[at]
        size, at = head >> 4, at + 1
        if size == 15:
            size, at = _unsigned(self._data, at)
        self._count(size)
        return head & 15, size, at

    def _count(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise ValueError("it has too many values")


def _integer(data: bytes, at: int) -> tuple[int, int]:
    number, at = _unsigned(data, at)
    return (number >> 1) ^ -(number & 1), at


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    number = data[at]
    at += 1
    if number < 128:
        return number, at
    number &= 127
    for shift in range(7, 7 * _VARINT_BYTES, 7):
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128 and number < 2**64:
            return number, at
    raise ValueError("a number is too long")
