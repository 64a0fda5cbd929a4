"""Encodes the predictions of a chunk as a part of the output, and joins the parts."""

import csv
import gzip
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO, Protocol, cast

from hotswap.errors import FileRefused
from hotswap.files.formats import FileType, Format
from hotswap.labels import label_text
from hotswap.replies import Signature

PREDICTION, SCORE = "prediction", "score"


class Output(Protocol):
    """A format of the output. Can be pickled."""

    @property
    def writer(self) -> str:
        """The library that writes it, on which its bytes depend."""

    def part(self, columns: Mapping[str, Any]) -> bytes:
        """Equally long columns, as lists or Arrow columns, as a part."""

    def join(self, parts: Iterable[bytes], file: BinaryIO) -> None:
        """Write the whole output to ``file``."""


def answer_columns(signature: Signature, *, probabilities: bool, scores: bool = False) -> list[str]:
    """The names of the columns of predictions."""
    output = signature["output"]
    classes = [] if "size" in output else output.get("classes") or []
    names = [f"probability_{label_text(label)}" for label in classes] if probabilities else []
    return [PREDICTION, *names, *([SCORE] if scores else [])]


def required(names: Sequence[str]) -> dict[str, bool]:
    """What a prediction has to be requested with for the columns of ``names``."""
    return {
        "probabilities": any(name not in {PREDICTION, SCORE} for name in names),
        "scores": SCORE in names,
    }


def answers(reply: Mapping[str, Any], names: Sequence[str]) -> dict[str, list[Any]]:
    """The columns of ``names``, which ``answer_columns`` gave, from a reply of the service."""
    columns = {PREDICTION: reply["predictions"]}
    for name in names[1:]:
        if name == SCORE:
            columns[name] = reply["scores"]
            continue
        label = name.removeprefix("probability_")
        columns[name] = [row[label] for row in reply["probabilities"]]
    return columns


@dataclass(frozen=True, slots=True)
class TextOutput:
    """CSV or JSON lines."""

    names: tuple[str, ...]
    kind: FileType

    @property
    def writer(self) -> str:
        return "text"

    def part(self, columns: Mapping[str, Any]) -> bytes:
        rows = zip(*(_values(columns[name]) for name in self.names), strict=True)
        if self.kind.format is Format.CSV:
            return _csv(map(_csv_cells, rows))
        encode = json.JSONEncoder(ensure_ascii=False, default=str).encode
        return "".join(
            f"{encode(dict(zip(self.names, map(_finite, row), strict=True)))}\n" for row in rows
        ).encode()

    def join(self, parts: Iterable[bytes], file: BinaryIO) -> None:
        # Neither the time nor a name, so that the same rows give the same bytes.
        whole = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if self.kind.gzip else None
        target = file if whole is None else cast(BinaryIO, whole)
        if self.kind.format is Format.CSV:
            target.write(_csv([self.names]))
        for part in parts:
            target.write(part)
        if whole is not None:
            whole.close()


@dataclass(frozen=True, slots=True)
class TableOutput:
    """Parquet, or an Arrow file or stream. Parts are Arrow streams of one record batch."""

    schema: Any
    format: Format

    @property
    def writer(self) -> str:
        return f"pyarrow {import_module('pyarrow').__version__}"

    def part(self, columns: Mapping[str, Any]) -> bytes:
        pyarrow = import_module("pyarrow")
        arrays = [_array(columns[field.name], field.type) for field in self.schema]
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, self.schema) as writer:
            writer.write_batch(pyarrow.RecordBatch.from_arrays(arrays, schema=self.schema))
        content: bytes = sink.getvalue().to_pybytes()
        return content

    def join(self, parts: Iterable[bytes], file: BinaryIO) -> None:
        """Each part becomes a row group or a record batch."""
        pyarrow = import_module("pyarrow")
        sink = pyarrow.PythonFile(file, mode="w")
        with self._writer(sink) as writer:
            for part in parts:
                with pyarrow.ipc.open_stream(part) as reader:
                    writer.write_table(reader.read_all())
        sink.flush()

    def _writer(self, sink: Any) -> Any:
        if self.format is Format.PARQUET:
            return import_module("pyarrow.parquet").ParquetWriter(sink, self.schema)
        ipc = import_module("pyarrow").ipc
        make = ipc.new_file if self.format is Format.ARROW else ipc.new_stream
        return make(sink, self.schema)


def output_of(
    kind: FileType,
    kept: Mapping[str, Any] | Sequence[str],
    answered: Sequence[str],
    signature: Signature,
) -> Output:
    """The output with the columns ``kept``, by name and, for tables, Arrow type.

    Raises FileRefused where the format cannot hold one of them.
    """
    if kind.format.is_text:
        return TextOutput((*kept, *answered), kind)
    pyarrow = import_module("pyarrow")
    fields = list(cast(Mapping[str, Any], kept).items())
    fields.append((PREDICTION, _prediction_type(signature)))
    fields += [(name, pyarrow.float64()) for name in answered[1:]]
    output = TableOutput(pyarrow.schema(fields), kind.format)
    try:
        output.join((), io.BytesIO())
    except pyarrow.ArrowException as error:
        raise FileRefused(
            f"A {kind.format.value} file cannot hold the columns to keep: {error}"
        ) from error
    return output


def _prediction_type(signature: Signature) -> Any:
    one = _label_type(signature)
    return import_module("pyarrow").list_(one) if "size" in signature["output"] else one


def _label_type(signature: Signature) -> Any:
    pyarrow = import_module("pyarrow")
    kinds = {type(label) for label in signature["output"].get("classes") or (0.0,)}
    if kinds == {bool}:
        return pyarrow.bool_()
    if kinds == {int}:
        return pyarrow.int64()
    return pyarrow.float64() if kinds <= {int, float} else pyarrow.string()


def _array(column: Any, kind: Any) -> Any:
    pyarrow = import_module("pyarrow")
    if not isinstance(column, list):
        return column.cast(kind).combine_chunks()
    if pyarrow.types.is_string(kind):
        column = [_as_text(cell) for cell in column]
    return pyarrow.array(column, kind)


def _as_text(value: object) -> str | None:
    """Values other than texts and null as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _values(column: Any) -> list[Any]:
    return column if isinstance(column, list) else cast(list[Any], column.to_pylist())


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _csv_cells(row: Sequence[Any]) -> list[Any]:
    """NaN as an empty cell, like null; booleans, lists and objects as in JSON."""
    return [
        _as_text(cell) if isinstance(cell, bool | list | dict) else _finite(cell) for cell in row
    ]


def _finite(cell: Any) -> Any:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
