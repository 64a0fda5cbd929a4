"""Reads what the pages of a Parquet file declare, before they are unpacked.

Whoever writes the footer can declare other sizes than the pages have. Readers allocate what the
header of a page declares: https://parquet.apache.org/docs/file-format/data-pages/.
"""

from collections.abc import Mapping
from typing import NamedTuple

from registry.codecs.parquet_footer import Chunk, ReadAt, RowGroup
from registry.codecs.thrift_compact import I32, Wanted, read_struct
from registry.errors import BodyMalformed

_MAX_PAGES = 2**17
"""Pages that are read at once: each header takes some microseconds. Writers make pages of
kilobytes."""

# Numbers of the fields of PageHeader and of the structs in it, in parquet.thrift.
_TYPE, _UNPACKED, _PACKED = 1, 2, 3
_DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_V2 = 0, 2, 3
_DETAILS = {_DATA_PAGE: 5, _DICTIONARY_PAGE: 7, _DATA_PAGE_V2: 8}
_VALUES = 1
_ENCODING = {_DATA_PAGE: 2, _DICTIONARY_PAGE: 2, _DATA_PAGE_V2: 4}
_PAGE: Wanted = {
    **dict.fromkeys((_TYPE, _UNPACKED, _PACKED), I32),
    **{_DETAILS[kind]: dict.fromkeys((_VALUES, _ENCODING[kind]), I32) for kind in _DETAILS},
}

_EXPANDING = {6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY"}
"""Encodings of texts whose size only their decoder knows."""

_HEADER = 2**9
_MOST_VALUES = 2**9
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

    def unpacked(self, group: RowGroup, columns: Mapping[str, int]) -> int:
        """The bytes that the pages of ``columns`` of a row group, positions by name, unpack to; no
        more than declared.

        Raises BodyMalformed where a header cannot be read, where a column does not have the number
        of rows or unpacks to more bytes than declared, or where an encoding is not supported.
        """
        return sum(
            self._chunk(name, group.column(position), group.rows)
            for name, position in columns.items()
        )

    def _chunk(self, name: str, chunk: Chunk, rows: int) -> int:
        values = unpacked = 0
        at = chunk.start
        while values < rows and at < chunk.end:
            page = self._page(at)
            if page.encoding in _EXPANDING:
                raise BodyMalformed(
                    f"The column {name!r} has the Parquet encoding "
                    f"{_EXPANDING[page.encoding]}, which is not supported. Write it with the "
                    "encoding PLAIN or with a dictionary."
                )
            unpacked += page.unpacked
            values += page.values
            at += page.size
        if not values == rows == chunk.values:
            raise BodyMalformed(
                f"A row group of the Parquet file declares {rows} rows, but its column "
                f"{name!r} declares {chunk.values} values and has {values}."
            )
        if unpacked > chunk.unpacked:
            raise BodyMalformed(
                f"The column {name!r} of the Parquet file declares "
                f"{chunk.unpacked} unpacked bytes, but its pages {unpacked}."
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


def _page(data: bytes) -> _Page:
    """Raises IndexError where ``data`` ends before the header does, ValueError where it is none."""
    fields, end = read_struct(data, _PAGE, _MOST_VALUES)
    values = encoding = 0
    try:
        kind, unpacked, packed = fields[_TYPE], fields[_UNPACKED], fields[_PACKED]
        if kind in _DETAILS:
            details = fields[_DETAILS[kind]]
            values, encoding = details[_VALUES], details[_ENCODING[kind]]
    except KeyError as error:
        raise ValueError(f"it has no field {error}") from error
    if not (0 <= unpacked < 2**31 and 0 <= packed < 2**31 and 0 <= values < 2**31):
        raise ValueError("a size is out of range")
    if kind == _DICTIONARY_PAGE and values > unpacked:
        raise ValueError("its dictionary has more values than bytes")
    return _Page(0 if kind == _DICTIONARY_PAGE else values, encoding, unpacked, end + packed)
