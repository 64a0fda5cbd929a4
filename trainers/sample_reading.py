"""Reads a sample of the rows of a file of any size; memory is needed for the sample alone."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from trainers.csv_data import checked_rows
from trainers.csv_dialect import delimiter_of, encoding_of
from trainers.errors import DataMalformed
from trainers.file_settings import FileSettings
from trainers.sampling import Sample, Sampled, SampleRule
from trainers.unpacking import open_unpacked

_HEAD = 2**20
_UTF8_MARK = b"\xef\xbb\xbf"
_Rows = Iterator[tuple[object, str]]
"""The target of each row, and how the row is written."""


@dataclass(frozen=True, slots=True)
class SampledFile:
    """``content`` is a file with the rows of the sample: text in UTF-8, or an Arrow stream.

    ``encoding`` is that of the text in the file, ``sha256`` the digest of the whole file.
    """

    content: bytes
    drawn: Sampled
    sha256: str
    encoding: str = ""


def sample_csv(path: Path, settings: FileSettings, rule: SampleRule) -> SampledFile:
    """A sample of CSV. Raises a subclass of DataRefused, also for rows that are not in it."""
    file = _TextFile(path, settings, newline="")
    delimiter = settings.delimiter or delimiter_of(file.head, file.source)

    def rows() -> _Rows:
        recorded = _Recorded(file.lines())
        checked = checked_rows(recorded, file.source, delimiter)
        names = next(checked)
        recorded.forget()
        place = names.index(rule.target) if rule.target in names else None
        for row in checked:
            written = recorded.forget()
            if row:
                yield (None if place is None else row[place]), written

    recorded = _Recorded(file.lines())
    next(checked_rows(recorded, file.source, delimiter))
    return file.sampled(rows, rule, header=recorded.forget())


def sample_json_lines(path: Path, settings: FileSettings, rule: SampleRule) -> SampledFile:
    """A sample of JSON lines. Raises as `sample_csv`."""
    file = _TextFile(path, settings, newline="\n")
    decoder = msgspec.json.Decoder()

    def rows() -> _Rows:
        for number, line in enumerate(file.lines(), start=1):
            if not line.strip():
                continue
            try:
                row = decoder.decode(line)
            except (msgspec.DecodeError, RecursionError) as error:
                raise DataMalformed(
                    file.source,
                    f"cannot be read as JSON lines at line {number}: {error}",
                    "Each line has an object whose values are numbers, texts, booleans or null.",
                ) from None
            yield (row.get(rule.target) if isinstance(row, dict) else None), line

    return file.sampled(rows, rule)


def sample_arrow(
    path: Path, batches: Callable[[list[str] | None], Iterator[Any]], rule: SampleRule
) -> SampledFile:
    """A sample of the record batches that ``batches`` reads, with all columns or the named ones.

    It is written as an Arrow stream.
    """
    import pyarrow as pa

    sample, before = Sample(rule), _state(path)
    for batch in batches([rule.target]):
        for value in _targets(batch, rule):
            sample.count(value)
    made = io.BytesIO()
    writer = None
    for batch in batches(None):
        taken = batch.filter(pa.array([sample.takes(value) for value in _targets(batch, rule)]))
        if writer is None:
            writer = pa.ipc.new_stream(made, batch.schema)
        writer.write_batch(taken)
    if writer is not None:
        writer.close()
    digest = sha256_of(path)
    _check_unchanged(path, before)
    return SampledFile(made.getvalue(), sample.drawn, digest)


def sha256_of(path: Path) -> str:
    """The digest of the bytes of ``path``, of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _TextFile:
    """A text file that is read several times; ``head`` is its beginning."""

    def __init__(self, path: Path, settings: FileSettings, newline: str) -> None:
        self.source = str(path)
        self._path = path
        self._newline = newline
        with open_unpacked(path) as stream:
            raw = stream.read(_HEAD)
        self.encoding, self._mark = encoding_of(raw, settings.encoding)
        self.head = raw[self._mark :].decode(self.encoding, "ignore")

    def lines(self) -> Iterator[str]:
        number = 0
        with open_unpacked(self._path) as stream:
            stream.read(self._mark)
            text = io.TextIOWrapper(stream, self.encoding, newline=self._newline)
            try:
                for number, line in enumerate(text, start=1):  # noqa: B007 - for the error
                    yield line
            except UnicodeDecodeError:
                raise DataMalformed(
                    self.source,
                    f"is not {self.encoding.upper()} after line {number:,}",
                    "Give the encoding that it has, for example encoding = 'windows-1252' "
                    "(--encoding windows-1252).",
                ) from None

    def sampled(self, rows: Callable[[], _Rows], rule: SampleRule, header: str = "") -> SampledFile:
        sample, before = Sample(rule), _state(self._path)
        for value, _ in rows():
            sample.count(value)
        taken = [written for value, written in rows() if sample.takes(value)]
        digest = sha256_of(self._path)
        _check_unchanged(self._path, before)
        content = _UTF8_MARK + "".join([header, *taken]).encode()
        return SampledFile(content, sample.drawn, digest, self.encoding)


class _Recorded:
    """An iterator that keeps the lines that were taken from it."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._taken.append(line)
        return line

    def forget(self) -> str:
        """The lines that were taken since the last call."""
        written = "".join(self._taken)
        self._taken.clear()
        return written


def _targets(batch: Any, rule: SampleRule) -> list[object]:
    if rule.target not in batch.schema.names:
        return [None] * batch.num_rows
    return list(batch.column(rule.target).to_pylist())


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _check_unchanged(path: Path, before: tuple[int, int, int]) -> None:
    if _state(path) != before:
        raise DataMalformed(str(path), "has changed while it was read", "Run the command again.")
