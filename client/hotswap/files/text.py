"""CSV and JSON lines: chunks of whole lines, sent as they are, so that the service parses them."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO, cast

from hotswap.batches import JSON, Batch
from hotswap.errors import FileRefused
from hotswap.files.formats import FileType, Format
from hotswap.files.places import files_at
from hotswap.files.rows import Rows, damage_refused

CSV = "text/csv"
BLOCK = 2**21
"""Bytes of a chunk, up to a line."""
LARGEST = 2**26
"""The most bytes without the end of a row."""
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Text:
    """Some rows of a text file. ``header``: the CSV header as bytes; None for JSON lines."""

    path: str
    first: int
    header: bytes | None
    content: bytes

    def records(self) -> list[bytes]:
        """The rows. Empty lines are none."""
        lines = self.content.splitlines(keepends=True)
        if self.header is None or b'"' not in self.content:
            return [line for line in lines if line.strip(b"\r\n")]
        found: list[bytes] = []
        start = 0
        reader = csv.reader(_decoded(lines), strict=True)
        try:
            for row in reader:
                if row:
                    found.append(b"".join(lines[start : reader.line_num]))
                start = reader.line_num
        except csv.Error:
            return lines  # refused by the service
        return found

    def batch(self) -> Batch:
        """The rows to predict from."""
        records = self.records()
        header = self.header

        def encode(start: int, stop: int) -> bytes:
            if header is None:
                return b'{"instances":[' + b",".join(records[start:stop]) + b"]}"
            whole = (start, stop) == (0, len(records))
            return header + (self.content if whole else b"".join(records[start:stop]))

        return Batch(len(records), JSON if header is None else CSV, encode)

    def columns(self, names: Sequence[str]) -> dict[str, list[Any]]:
        """These columns: texts of CSV, or JSON values, where a missing one is None.

        Raises FileRefused for a malformed row.
        """
        if not names:
            return {}
        self.explain()
        if self.header is not None:
            header, *cells = self._cells()
            for number, row in enumerate(cells, start=self.first):
                if len(row) != len(header):
                    raise FileRefused(
                        f"{self.path}: row {number} has {len(row)} cells; expected {len(header)}."
                    )
            positions = {name: place for place, name in enumerate(header)}
            return {name: [row[positions[name]] for row in cells] for name in names}
        rows = [json.loads(line) for line in self.records()]
        for number, row in enumerate(rows, start=self.first):
            if not isinstance(row, dict):
                raise FileRefused(f"{self.path}: row {number} is not an object with names.")
        return {name: [row.get(name) for row in rows] for name in names}

    def explain(self) -> None:
        """Raises FileRefused naming the first malformed row."""
        read = 0
        try:
            for _ in self._cells() if self.header is not None else map(json.loads, self.records()):
                read += 1
        except (csv.Error, ValueError) as error:
            kind = "JSON" if self.header is None else "CSV"
            row = self.first + read - (self.header is not None)
            raise FileRefused(f"{self.path}: row {row} is not {kind}: {error}.") from error

    def _cells(self) -> Iterator[list[str]]:
        """The header and the rows of CSV."""
        lines = ((self.header or b"") + self.content).splitlines(keepends=True)
        return filter(None, csv.reader(_decoded(lines), strict=True))


@dataclass(frozen=True, slots=True)
class TextSpan:
    """One chunk of a text file: the bytes from ``start`` to ``stop``, or ``content`` itself if they
    cannot be read alone because the file is compressed."""

    path: str
    header: bytes | None
    kept: tuple[str, ...]
    chunk: int
    first: int
    count: int
    start: int
    stop: int
    end: float
    content: bytes | None = None

    @property
    def chunks(self) -> int:
        return 1

    def read(self) -> Iterator[Rows]:
        content = self.content
        if content is None:
            with files_at(self.path).open(self.path) as file:
                file.seek(self.start)
                content = file.read(self.stop - self.start)
        text = Text(self.path, self.first, self.header, content)
        batch = text.batch()
        yield Rows(
            self.chunk,
            self.first,
            batch.count,
            batch,
            lambda: text.columns(self.kept),
            self.end,
            text.explain,
        )


class TextSource:
    """A text file, which may be compressed with gzip. Raises OSError, FileRefused."""

    def __init__(self, path: str, kind: FileType) -> None:
        self._path = path
        self._gzip = kind.gzip
        self._size = files_at(path).state(path)["size"]
        self._header: bytes | None = None
        with self._opened() as (file, _):
            begin = file.read(len(_MARK))
            rest = b"" if begin == _MARK else begin
            self._begin = len(begin) - len(rest)
            if kind.format is Format.CSV:
                self._header, self.columns = _header(file, rest, path)
                self._begin += len(self._header)
            else:
                self.columns = _keys(rest + file.readline(LARGEST))

    def spans(
        self,
        wanted: Sequence[str],
        kept: Sequence[str],
    ) -> Iterator[TextSpan]:
        """One span for each chunk. The lines are sent whole."""
        for name in (*wanted, *kept):
            if self.columns.count(name) > 1:
                raise FileRefused(f"{self._path} has more than one column {name!r}.")
        chunk = first = 0
        with self._opened() as (file, raw):
            at = len(file.read(self._begin))
            for content in _blocks(file, self._is_complete):
                if len(content) > LARGEST:
                    raise FileRefused(
                        f"{self._path}: from row {first} on there is no end of a row within "
                        f"{LARGEST} bytes. Check the quotes."
                    )
                stop = at + len(content)
                count = len(Text(self._path, first, self._header, content).records())
                end = min(1.0, (raw.tell() if self._gzip else stop) / max(1, self._size))
                if count:
                    yield TextSpan(
                        *(self._path, self._header, tuple(kept), chunk, first, count),
                        *(at, stop, end, content if self._gzip else None),
                    )
                    chunk += 1
                first += count
                at = stop

    def kept_types(self, kept: Sequence[str]) -> Mapping[str, Any]:
        return dict.fromkeys(kept, import_module("pyarrow").string())

    @contextmanager
    def _opened(self) -> Iterator[tuple[BinaryIO, BinaryIO]]:
        """The text, and the file with its bytes. Raises FileRefused for damaged gzip."""
        with files_at(self._path).open(self._path) as raw:
            if not self._gzip:
                yield raw, raw
                return
            # Buffered: its reads are as long as requested, whatever the compressed blocks are.
            buffered = io.BufferedReader(gzip.GzipFile(fileobj=raw))
            with damage_refused(self._path, "gzip", EOFError, zlib.error), buffered as unpacked:
                yield cast(BinaryIO, unpacked), raw

    def _is_complete(self, content: bytes) -> bool:
        """Whether ``content``, which begins with a row and ends with a line, ends with a row."""
        return self._header is None or _is_complete_csv(content)


def _blocks(file: BinaryIO, is_complete: Callable[[bytes], bool]) -> Iterator[bytes]:
    held = b""
    while more := file.read(BLOCK):
        held += more
        cut = held.rfind(b"\n") + 1
        if cut and is_complete(held[:cut]):
            yield held[:cut]
            held = held[cut:]
        elif len(held) > LARGEST:
            break
    if held:
        yield held


def _header(file: BinaryIO, header: bytes, path: str) -> tuple[bytes, list[str]]:
    """The bytes and the cells of the header, which begins with the bytes ``header``."""
    while line := file.readline(LARGEST):
        header += line
        if header.strip(b"\r\n") and _is_complete_csv(header):
            break
    if not header.strip():
        raise FileRefused(f"{path} is empty: expected a header line.")
    if b"\r" in header.rstrip(b"\r\n") and b'"' not in header:
        raise FileRefused(f"{path}: lines end with a carriage return alone; expected line feeds.")
    try:
        (columns,) = filter(None, csv.reader(_decoded(header.splitlines(keepends=True))))
    except (csv.Error, ValueError) as error:
        raise FileRefused(f"{path}: the header is not a line of CSV: {error}.") from error
    return header if header.endswith(b"\n") else header + b"\n", columns


def _keys(line: bytes) -> list[str]:
    """The keys of the object in the first line; none if it is another value."""
    try:
        row = json.loads(line)
    except ValueError:
        return []  # refused by the service, if it is not empty
    return list(row) if isinstance(row, dict) else []


def _is_complete_csv(content: bytes) -> bool:
    if b'"' not in content:
        return True
    try:
        for _ in csv.reader(_decoded(content.splitlines(keepends=True)), strict=True):
            pass
    except csv.Error as error:
        return "unexpected end of data" not in str(error)
    return True


def _decoded(lines: Sequence[bytes]) -> Iterator[str]:
    """Bytes that are not UTF-8 are refused by the service."""
    for line in lines:
        yield line.decode("utf-8", "replace")
