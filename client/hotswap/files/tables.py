"""Parquet and Arrow files: chunks of the needed columns."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from hotswap.errors import FileRefused
from hotswap.files.formats import Format
from hotswap.files.places import LocalFiles, files_at
from hotswap.files.rows import CHUNK_ROWS, SPAN_ROWS, Rows, damage_refused

_BUFFER = 2**20
"""Bytes of a column that are read at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpan:
    """Rows of one row group, of consecutive record batches, or in memory (``held``)."""

    path: str
    format: Format
    wanted: tuple[str, ...]
    kept: tuple[str, ...]
    chunk: int
    first: int
    count: int
    begin: float
    end: float
    group: int = 0
    batches: range = range(0)
    skip: int = 0
    held: Any = field(default=None)

    @property
    def chunks(self) -> int:
        return -(-self.count // CHUNK_ROWS)

    def read(self) -> Iterator[Rows]:
        first = self.first
        for number, table in enumerate(_chunks(self._checked(), self.skip, self.count)):
            share = (first + table.num_rows - self.first) / self.count
            yield Rows(
                self.chunk + number,
                first,
                table.num_rows,
                table.select(list(self.wanted)),
                _columns_of(table, self.kept),
                self.begin + (self.end - self.begin) * share,
            )
            first += table.num_rows

    def _checked(self) -> Iterator[Any]:
        with _damage_refused(self.path, self.format):
            for batch in self._batches():
                # Offsets in a damaged file could point anywhere.
                batch.validate(full=True)
                yield batch

    def _batches(self) -> Iterator[Any]:
        names = list(dict.fromkeys((*self.wanted, *self.kept)))
        if self.held is not None:
            yield from self.held.select(names).to_batches()
        elif self.batches:
            with _opened(self.path) as file:
                reader = import_module("pyarrow").ipc.open_file(file)
                for number in self.batches:
                    yield reader.get_batch(number).select(names)
        else:
            with _opened(self.path) as file:
                yield from _parquet(file).iter_batches(
                    CHUNK_ROWS, row_groups=[self.group], columns=names, use_threads=False
                )


class TableSource:
    """A Parquet file, or an Arrow file or stream. Raises OSError, FileRefused."""

    def __init__(self, path: str, format_: Format) -> None:
        try:
            self._pa = import_module("pyarrow")
        except ImportError as error:
            raise FileRefused(
                f"{path}: this format requires pyarrow, which is not installed. Install the extra "
                "'arrow'."
            ) from error
        self._path = path
        self._format = format_
        with self._errors(), _opened(path) as file:
            if format_ is Format.PARQUET:
                self._schema = _parquet(file).schema_arrow
            else:
                self._schema = self._reader(file).schema
        self.columns: list[str] = self._schema.names

    def spans(self, wanted: Sequence[str], kept: Sequence[str]) -> Iterator[TableSpan]:
        """Spans of at most ``SPAN_ROWS`` rows, except in Arrow files: whole record batches."""
        for name in (*wanted, *kept):
            if self.columns.count(name) > 1:
                raise FileRefused(f"{self._path} has more than one column {name!r}.")
        with self._errors(), _opened(self._path) as file:
            found = {
                Format.PARQUET: self._groups,
                Format.ARROW: self._record_batches,
                Format.ARROW_STREAM: self._stream,
            }[self._format](file)
            chunk = first = 0
            end = 0.0
            for place, count, until in found:
                yield TableSpan(
                    path=self._path,
                    format=self._format,
                    wanted=tuple(wanted),
                    kept=tuple(kept),
                    chunk=chunk,
                    first=first,
                    count=count,
                    begin=end,
                    end=until,
                    **place,
                )
                chunk += -(-count // CHUNK_ROWS)
                first += count
                end = until

    def kept_types(self, kept: Sequence[str]) -> Mapping[str, Any]:
        types = {name: self._schema.field(name).type for name in kept}
        is_dictionary = self._pa.types.is_dictionary
        return {n: kind.value_type if is_dictionary(kind) else kind for n, kind in types.items()}

    def _groups(self, file: Any) -> Iterator[tuple[dict[str, Any], int, float]]:
        metadata = _parquet(file).metadata
        done = 0
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            for skip in range(0, rows, SPAN_ROWS):
                count = min(SPAN_ROWS, rows - skip)
                done += count
                yield {"group": group, "skip": skip}, count, done / metadata.num_rows

    def _record_batches(self, file: Any) -> Iterator[tuple[dict[str, Any], int, float]]:
        # The first column alone is read to count the rows.
        options = self._pa.ipc.IpcReadOptions(included_fields=[0])
        reader = self._pa.ipc.open_file(file, options=options)
        start = count = 0
        for number in range(reader.num_record_batches):
            count += reader.get_batch(number).num_rows
            is_last = number == reader.num_record_batches - 1
            if count >= SPAN_ROWS or (is_last and count):
                end = (number + 1) / reader.num_record_batches
                yield {"batches": range(start, number + 1)}, count, end
                start, count = number + 1, 0

    def _stream(self, file: Any) -> Iterator[tuple[dict[str, Any], int, float]]:
        size = max(1, files_at(self._path).state(self._path)["size"])
        batches = iter(self._reader(file))
        while group := list(_taken(batches, SPAN_ROWS)):
            held = self._pa.Table.from_batches(group)
            if held.num_rows:
                yield {"held": held}, held.num_rows, file.tell() / size

    def _reader(self, file: Any) -> Any:
        ipc = self._pa.ipc
        return ipc.open_file(file) if self._format is Format.ARROW else ipc.open_stream(file)

    def _errors(self) -> AbstractContextManager[None]:
        return _damage_refused(self._path, self._format)


def _damage_refused(path: str, format_: Format) -> AbstractContextManager[None]:
    return damage_refused(path, format_.value, import_module("pyarrow").ArrowException)


def _opened(path: str) -> Any:
    files = files_at(path)
    if isinstance(files, LocalFiles):
        return import_module("pyarrow").OSFile(path)
    return import_module("pyarrow").PythonFile(files.open(path))


def _parquet(file: Any) -> Any:
    return import_module("pyarrow.parquet").ParquetFile(file, buffer_size=_BUFFER)


def _taken(batches: Iterator[Any], rows: int) -> Iterator[Any]:
    """The next of ``batches`` until they have ``rows`` rows."""
    count = 0
    while count < rows and (batch := next(batches, None)) is not None:
        count += batch.num_rows
        yield batch


def _chunks(batches: Iterator[Any], skip: int, count: int) -> Iterator[Any]:
    """Tables of ``CHUNK_ROWS`` rows: ``count`` rows in all, after the first ``skip``."""
    make = import_module("pyarrow").Table.from_batches
    held: list[Any] = []
    size = 0
    for batch in batches:
        skipped = min(skip, batch.num_rows)
        skip -= skipped
        batch = batch.slice(skipped)  # noqa: PLW2901 - what is left of it
        while batch.num_rows and count:
            piece = batch.slice(0, min(CHUNK_ROWS - size, count))
            batch = batch.slice(piece.num_rows)  # noqa: PLW2901
            held.append(piece)
            size += piece.num_rows
            count -= piece.num_rows
            if size == CHUNK_ROWS or not count:
                yield make(held)
                held, size = [], 0
        if not count:
            return


def _columns_of(table: Any, names: Sequence[str]) -> Any:
    return lambda: {name: table.column(name) for name in names}
