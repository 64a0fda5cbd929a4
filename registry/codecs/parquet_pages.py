"""Reads what the pages of a Parquet file declare, before they are unpacked.

Whoever writes the footer can declare other sizes than the pages have. Readers allocate what the
header of a page declares, a struct in Thrift's compact protocol:
https://parquet.apache.org/docs/file-format/data-pages/ and
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from registry.errors import BodyMalformed

ReadAt = Callable[[int, int], bytes]
"""Returns the bytes of a file from an offset, at most as many as the second argument."""

_MAX_PAGES = 2**17
"""Pages that are read at once: each header takes some microseconds. Writers make pages of
kilobytes."""

# Numbers of the fields of PageHeader and of the structs in it, in parquet.thrift.
_TYPE, _UNPACKED, _PACKED = 1, 2, 3
_DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_V2 = 0, 2, 3
_DETAILS = {_DATA_PAGE: 5, _DICTIONARY_PAGE: 7, _DATA_PAGE_V2: 8}
_VALUES = 1
_ENCODING = {_DATA_PAGE: 2, _DICTIONARY_PAGE: 2, _DATA_PAGE_V2: 4}

_EXPANDING = {6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY"}
"""Encodings of texts whose size only their decoder knows."""

# The types of fields in the compact protocol.
_BOOLEANS, _INTEGERS, _BINARY, _STRUCT = (1, 2), (4, 5, 6), 8, 12
_MAX_DEPTH = 4
_MAX_FIELD = 2**15 - 1
_VARINT_BYTES = 10

_HEADER = 2**9
_LARGEST_HEADER = 2**24


class _Page(NamedTuple):
    """``values``: of a data page, else 0. ``size``: the bytes of header and page in the file."""

    values: int
    encoding: int
    unpacked: int
    size: int


class PageHeaders:
    """Reads the headers of up to ``_MAX_PAGES`` pages."""

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        self._left = _MAX_PAGES

    def unpacked(self, group: Any, columns: Sequence[int]) -> int:
        """The bytes that the pages of ``columns`` of a row group unpack to; no more than declared.

        Raises BodyMalformed where a header cannot be read, where a column does not have the number
        of rows or unpacks to more bytes than declared, or where an encoding is not supported.
        """
        rows = group.num_rows
        return sum(self._chunk(group.column(column), rows) for column in columns)

    def _chunk(self, chunk: Any, rows: int) -> int:
        values = unpacked = 0
        at = chunk.data_page_offset
        if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < at:
            at = chunk.dictionary_page_offset
        end = at + chunk.total_compressed_size
        while values < rows and 0 <= at < end:
            page = self._page(at)
            if page.encoding in _EXPANDING:
                raise BodyMalformed(
                    f"The column {chunk.path_in_schema!r} has the Parquet encoding "
                    f"{_EXPANDING[page.encoding]}, which is not supported. Write it with the "
                    "encoding PLAIN or with a dictionary."
                )
            unpacked += page.unpacked
            values += page.values
            at += page.size
        if not values == rows == chunk.num_values:
            raise BodyMalformed(
                f"A row group of the Parquet file declares {rows} rows, but its column "
                f"{chunk.path_in_schema!r} declares {chunk.num_values} values and has {values}."
            )
        if unpacked > chunk.total_uncompressed_size:
            raise BodyMalformed(
                f"The column {chunk.path_in_schema!r} of the Parquet file declares "
                f"{chunk.total_uncompressed_size} unpacked bytes, but its pages {unpacked}."
            )
        return unpacked

    def _page(self, at: int) -> _Page:
        self._left -= 1
        if self._left < 0:
            raise BodyMalformed(
                f"The Parquet file has more than {_MAX_PAGES} pages. Write larger pages and row "
                "groups."
            )
        size = _HEADER
        while True:
            data = self._read_at(at, size)
            try:
                return _page(data)
            except IndexError as error:
                if len(data) < size or size >= _LARGEST_HEADER:
                    raise BodyMalformed("A page of the Parquet file is truncated.") from error
                size *= 4
            except ValueError as error:
                raise BodyMalformed(f"A page of the Parquet file is malformed: {error}.") from error


def declared_rows(metadata: Any) -> int:
    """The rows of the Parquet file with the footer ``metadata``.

    Raises BodyMalformed where the footer contradicts itself.
    """
    groups = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
    if metadata.num_rows != sum(groups) or min(groups, default=0) < 0:
        raise BodyMalformed(
            f"The Parquet file declares {metadata.num_rows} rows, but its row groups declare "
            f"{', '.join(map(str, groups[:10])) or 'none'}{', ...' if len(groups) > 10 else ''}."
        )
    return int(metadata.num_rows)


def declared_size(group: Any, columns: Sequence[int]) -> int:
    """The bytes that ``columns`` of a row group unpack to as the footer declares it."""
    return sum(max(0, group.column(column).total_uncompressed_size) for column in columns)


def _page(data: bytes) -> _Page:
    """Raises IndexError where ``data`` ends before the header does, ValueError where it is none."""
    fields, end = _struct(data, 0, _MAX_DEPTH)
    values = encoding = 0
    try:
        kind, unpacked, packed = fields[_TYPE], fields[_UNPACKED], fields[_PACKED]
        if kind in _DETAILS:
            details = fields[_DETAILS[kind]]
            values, encoding = details[_VALUES], details[_ENCODING[kind]]
        is_in_range = min(unpacked, packed, values) >= 0 and max(unpacked, packed, values) < 2**31
    except (KeyError, TypeError) as error:
        raise ValueError("a field is missing or has another type") from error
    if not is_in_range:
        raise ValueError("a size is out of range")
    if kind == _DICTIONARY_PAGE and values > unpacked:
        raise ValueError("its dictionary has more values than bytes")
    return _Page(0 if kind == _DICTIONARY_PAGE else values, encoding, unpacked, end + packed)


def _struct(data: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    """The fields of a struct by their numbers, without texts and booleans, and where it ends.

    What a reader could understand in another way is refused: a field that is there twice, or a
    number that overflows.
    """
    if not depth:
        raise ValueError("its structs are nested too deeply")
    fields: dict[int, Any] = {}
    number = 0
    while head := data[at]:
        at += 1
        if head > 15:
            number += head >> 4
        else:
            number, at = _varint(data, at)
            number = (number >> 1) ^ -(number & 1)
        if not 0 < number <= _MAX_FIELD or number in fields:
            raise ValueError("a field is repeated or out of range")
        kind = head & 15
        fields[number] = None
        if kind == _BINARY or kind in _INTEGERS:
            value = data[at]
            at += 1
            if value > 127:
                value, at = _varint(data, at - 1)
            if kind == _BINARY:
                at += value
            else:
                fields[number] = (value >> 1) ^ -(value & 1)
        elif kind == _STRUCT:
            fields[number], at = _struct(data, at, depth - 1)
        elif kind not in _BOOLEANS:
            raise ValueError(f"a field has the type {kind}")
    return fields, at + 1


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 7 * _VARINT_BYTES, 7):
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise ValueError("a number is too long")
