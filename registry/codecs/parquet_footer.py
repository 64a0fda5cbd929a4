"""Reads what the footer of a Parquet file declares, a struct of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.

pyarrow has the same figures, but some footers that contradict themselves end the process that asks
it for a column of a row group: the C++ exception is not caught there. It is caught where a table
is read.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from registry.codecs.thrift_compact import I64, Fields, ListOf, Wanted, read_struct
from registry.errors import BodyMalformed

ReadAt = Callable[[int, int], bytes]
"""Returns the bytes of a file from an offset, at most as many as the second argument."""

_TAIL, _MAGIC = 8, b"PAR1"
"""The bytes after the footer: its length and the magic number."""
_MOST_VALUES = 2**21

# Numbers of the fields in parquet.thrift.
_FILE_ROWS, _FILE_GROUPS = 3, 4
_GROUP_COLUMNS, _GROUP_SIZE, _GROUP_ROWS = 1, 2, 3
_CHUNK_METADATA = 3
_VALUES, _UNPACKED, _PACKED, _DATA_PAGE, _DICTIONARY_PAGE = 5, 6, 7, 9, 11
_CHUNK: Wanted = dict.fromkeys((_VALUES, _UNPACKED, _PACKED, _DATA_PAGE, _DICTIONARY_PAGE), I64)
_GROUP: Wanted = {
    _GROUP_COLUMNS: ListOf({_CHUNK_METADATA: _CHUNK}),
    _GROUP_SIZE: I64,
    _GROUP_ROWS: I64,
}
_FOOTER: Wanted = {_FILE_ROWS: I64, _FILE_GROUPS: ListOf(_GROUP)}


class Chunk(NamedTuple):
    """A column of a row group: its values, and its bytes in the file and unpacked. ``start`` and
    ``end``: its bytes in the file."""

    values: int
    unpacked: int
    start: int
    end: int


class RowGroup(NamedTuple):
    """Rows of a file. ``unpacked``: the bytes of all its columns."""

    rows: int
    unpacked: int
    chunks: tuple[Chunk, ...]

    def column(self, position: int) -> Chunk:
        """The chunk of the column at that position. Raises BodyMalformed where there is none."""
        if position >= len(self.chunks):
            raise BodyMalformed(
                f"The Parquet file has a row group with {len(self.chunks)} columns; its schema has "
                "more."
            )
        return self.chunks[position]


class Footer(NamedTuple):
    """The rows of a Parquet file, and its row groups, whose rows add up to them."""

    rows: int
    groups: tuple[RowGroup, ...]

    def unpacked(self, columns: Sequence[int]) -> int:
        """The bytes that the columns at those positions unpack to. Raises BodyMalformed."""
        return sum(group.column(at).unpacked for group in self.groups for at in columns)


def read_footer(read_at: ReadAt, size: int) -> Footer:
    """The footer of the Parquet file of ``size`` bytes.

    Raises BodyMalformed where it cannot be read or contradicts itself.
    """
    tail = read_at(max(0, size - _TAIL), _TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length > size - _TAIL:
        raise BodyMalformed("The Parquet file has no footer.")
    try:
        fields, _ = read_struct(read_at(size - _TAIL - length, length), _FOOTER, _MOST_VALUES)
        groups = tuple(_group(group) for group in fields[_FILE_GROUPS])
        rows: int = fields[_FILE_ROWS]
    except IndexError as error:
        raise BodyMalformed("The footer of the Parquet file is truncated.") from error
    except KeyError as error:
        raise BodyMalformed(f"The footer of the Parquet file has no field {error}.") from error
    except ValueError as error:
        raise BodyMalformed(f"The footer of the Parquet file is malformed: {error}.") from error
    _check_rows(rows, [group.rows for group in groups])
    return Footer(rows, groups)


def _group(fields: Fields) -> RowGroup:
    """Raises KeyError or ValueError where the struct is not a row group."""
    chunks = tuple(_chunk(column[_CHUNK_METADATA]) for column in fields[_GROUP_COLUMNS])
    return RowGroup(fields[_GROUP_ROWS], _size(fields[_GROUP_SIZE]), chunks)


def _chunk(fields: Fields) -> Chunk:
    """Raises as ``_group`` does."""
    start, dictionary = _size(fields[_DATA_PAGE]), fields.get(_DICTIONARY_PAGE, 0)
    if 0 < dictionary < start:
        start = dictionary
    end = start + _size(fields[_PACKED])
    return Chunk(_size(fields[_VALUES]), _size(fields[_UNPACKED]), start, end)


def _size(number: int) -> int:
    if not 0 <= number < 2**63:
        raise ValueError("a size is out of range")
    return number


def _check_rows(rows: int, groups: Sequence[int]) -> None:
    if rows != sum(groups) or min(groups, default=0) < 0:
        raise BodyMalformed(
            f"The Parquet file declares {rows} rows, but its row groups declare "
            f"{', '.join(map(str, groups[:10])) or 'none'}{', ...' if len(groups) > 10 else ''}."
        )
