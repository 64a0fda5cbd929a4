"""Finds out how a text file of a table is written: its encoding and its delimiter."""

import codecs
import csv
import io
import itertools

from trainers.errors import DataEmpty, DataMalformed, EncodingRefused

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_SAMPLE_BYTES = 1_000
_SAMPLE_ROWS = 50


def decoded(raw: bytes, source: str, encoding: str | None = None) -> tuple[str, str]:
    """The text of ``raw`` without a byte-order mark, and its encoding: that of the mark, else
    ``encoding``, else UTF-16 or UTF-8.

    Raises EncodingRefused with the place of the first wrong byte, DataMalformed, DataEmpty.
    """
    found, mark = encoding_of(raw, encoding)
    body = raw[mark:]
    try:
        text = body.decode(found)
    except UnicodeDecodeError as error:
        line = body[: error.start].decode(found, "ignore").count("\n") + 1
        offset = error.start + mark
        raise EncodingRefused(source, found, line, offset, body[error.start]) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataMalformed(
            source,
            f"holds a zero byte on line {line}",
            "It is not text, or has another encoding (--encoding).",
        )
    if not text.strip():
        raise DataEmpty(source, "is empty")
    return text, found


def encoding_of(raw: bytes, encoding: str | None = None) -> tuple[str, int]:
    """The encoding of a text that begins with ``raw``, as `decoded` finds it, and the length of its
    byte-order mark."""
    mark = next((mark for mark in _BYTE_ORDER_MARKS if raw.startswith(mark)), b"")
    found = _BYTE_ORDER_MARKS[mark] if mark else encoding or _without_mark(raw)
    return found, len(mark)


def delimiter_of(text: str, source: str) -> str:
    """The delimiter by which the first rows have the same number of fields as the header.

    Raises DataMalformed where several do, or where the header has a single field.
    """
    lines = list(itertools.islice(io.StringIO(text, newline=""), 4 * _SAMPLE_ROWS))
    headers = {sign: _fields(lines, sign) for sign in DELIMITERS}
    several = {sign: rows for sign, rows in headers.items() if rows and len(rows[0]) > 1}
    even = [sign for sign, rows in several.items() if len({len(row) for row in rows}) == 1]
    # A delimiter within quotes leaves one of them in each part.
    even = [sign for sign in even if not _have_quotes(several[sign])] or even
    if len(even) > 1:
        named = " and ".join(DELIMITERS[sign] for sign in even)
        raise DataMalformed(
            source,
            f"can be divided into columns by {named}",
            f"Give the delimiter: delimiter = {even[0]!r} (--delimiter {even[0]!r}).",
        )
    if even:
        return even[0]
    if several:
        # Some row is ragged. The check of the rows reports it with its line.
        return max(several, key=lambda sign: len(several[sign][0]))
    raise DataMalformed(
        source,
        "has a single column",
        "Training needs a target and at least one other column. If another sign is between them: "
        "--delimiter SIGN.",
    )


def _without_mark(raw: bytes) -> str:
    """UTF-16 where every other byte is mostly zero, as it is in Western text; else UTF-8."""
    start = raw[:_SAMPLE_BYTES]
    half = len(start) // 2
    if start[1::2].count(0) > half / 2 and not start[::2].count(0):
        return "utf-16-le"
    if start[::2].count(0) > half / 2 and not start[1::2].count(0):
        return "utf-16-be"
    return "utf-8"


def _have_quotes(rows: list[list[str]]) -> bool:
    return any('"' in field for row in rows for field in row)


def _fields(lines: list[str], sign: str) -> list[list[str]]:
    """The fields of the header and of the first rows."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(lines, delimiter=sign):
            if row:
                rows.append(row)
            if len(rows) > _SAMPLE_ROWS:
                break
    except csv.Error:
        pass  # The check of all rows reports it with its line.
    return rows
