"""Reads the data to train on: a file, or one of scikit-learn's bundled sets."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
from sklearn import datasets

from trainers.arrow_files import (
    ARROW_FILE,
    ARROW_STREAM,
    PARQUET,
    opened_batches,
    read_arrow,
    read_parquet,
)
from trainers.bundled import BUNDLED_PREFIX, BUNDLED_TARGET, is_bundled
from trainers.cells import FORMS, TYPED, CellRules, missing_texts
from trainers.csv_data import CsvTable, read_csv
from trainers.errors import BundledSetUnknown, DataEmpty, DataMalformed, DataNotFound, TooFewRows
from trainers.excel import OLD_EXCEL, ZIP, is_workbook, read_excel
from trainers.file_number_format import number_format
from trainers.file_settings import FROM_CONTENT, FileSettings
from trainers.json_lines import read_json_lines
from trainers.sample_reading import sample_arrow, sample_csv, sample_json_lines, sha256_of
from trainers.sampling import Sample, Sampled, SampleRule
from trainers.unpacking import open_unpacked, unpacked

_LOADERS = {
    "iris": datasets.load_iris,
    "diabetes": datasets.load_diabetes,
    "wine": datasets.load_wine,
    "breast_cancer": datasets.load_breast_cancer,
}
BUNDLED_SETS = tuple(_LOADERS)
PARQUET_ENDINGS = {".parquet", ".pq"}
ARROW_ENDINGS = {".feather", ".arrow", ".ipc"}
JSON_ENDINGS = {".jsonl", ".ndjson"}
_PACKED_ENDINGS = {".gz", ".gzip", ".zst", ".zstd"}
_START = 2**10


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data as read: ``frame`` with pandas' nullable types, ``sha256`` of the bytes of its file.

    ``rules`` are those by which the texts in ``frame`` are read, ``found`` are those of the
    settings of the file that were found or given. ``sampled``: ``frame`` has a sample of the rows.
    A bundled set has no file: its digest is that of its content written as CSV.
    """

    source: str
    frame: pd.DataFrame
    sha256: str
    rules: CellRules = TYPED
    found: Mapping[str, str] = field(default_factory=dict)
    sampled: Sampled | None = None

    @property
    def columns(self) -> list[str]:
        return list(self.frame.columns)


def read_dataset(
    data: str,
    settings: FileSettings = FROM_CONTENT,
    *,
    as_text: Collection[str] = (),
    sample: SampleRule | None = None,
) -> Dataset:
    """Read ``data``: a path, or ``sklearn:iris`` and the like. The content decides which form the
    file has: CSV, Parquet, Feather or Arrow, JSON lines or Excel, each also compressed with gzip or
    zstd.

    The cells of the columns ``as_text`` of a text file are kept as they are written. With
    ``sample`` some of the rows are read; except for Excel, and for packed Parquet and Arrow files,
    the others are not kept in memory. Raises a subclass of DataRefused, which says what is wrong.
    """
    if is_bundled(data):
        dataset = _sampled(_bundled(data), sample)
    else:
        read = None if sample is None else _sample_of(Path(data), settings, sample, as_text)
        dataset = read or _sampled(_whole(Path(data), settings, as_text), sample)
    rows = len(dataset.frame)
    if rows == 0:
        raise DataEmpty(dataset.source, "has a header and no rows")
    if rows == 1:
        raise TooFewRows(dataset.source, 1, "add rows: some of them are held out for evaluation")
    return dataset


def _whole(path: Path, settings: FileSettings, as_text: Collection[str]) -> Dataset:
    raw = _bytes_of(path)
    if not raw.strip():
        raise DataEmpty(str(path), "is empty")
    return _parsed(raw, path, settings, as_text)


def _sample_of(
    path: Path, settings: FileSettings, rule: SampleRule, as_text: Collection[str]
) -> Dataset | None:
    """A sample of the file's rows; None where all have to be read at once."""
    with open_unpacked(path) as stream:
        start = stream.read(_START)
    if not start.strip():
        raise DataEmpty(str(path), "is empty")
    ending = file_ending(path)
    if start.startswith((ZIP, OLD_EXCEL)):
        return None
    if start.startswith((PARQUET, ARROW_FILE, ARROW_STREAM)):
        with path.open("rb") as file:
            batches = opened_batches(path, file.read(_START))
        if batches is None:  # packed
            return None
        made, ending = sample_arrow(path, batches, rule), ""
    elif ending in JSON_ENDINGS:
        made = sample_json_lines(path, settings, rule)
    elif ending in PARQUET_ENDINGS | ARROW_ENDINGS:
        return None  # not what its name says
    else:
        made = sample_csv(path, settings, rule)
    read = parse_content(made.content, ending, str(path), settings, as_text)
    found = dict(read.found)
    if "encoding" in found:
        found["encoding"] = made.encoding
    return replace(read, sha256=made.sha256, found=found, sampled=made.drawn)


def _sampled(dataset: Dataset, rule: SampleRule | None) -> Dataset:
    if rule is None:
        return dataset
    frame, sample = dataset.frame, Sample(rule)
    name = rule.target or BUNDLED_TARGET
    values = frame[name].tolist() if name in frame else [None] * len(frame)
    for value in values:
        sample.count(value)
    taken = frame[[sample.takes(value) for value in values]].reset_index(drop=True)
    return replace(dataset, frame=taken, sampled=sample.drawn)


def data_digest(data: str) -> str:
    """The ``sha256`` that ``read_dataset`` gives for ``data``, without parsing a file.

    Raises DataNotFound, BundledSetUnknown.
    """
    if is_bundled(data):
        return _bundled(data).sha256
    with _reported(Path(data)):
        return sha256_of(Path(data))


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Raise as DataNotFound that ``path`` cannot be read in the block."""
    source = str(path)
    try:
        if path.is_dir():
            raise DataNotFound(source, "it is a directory")
        yield
    except FileNotFoundError:
        raise DataNotFound(source) from None
    except (OSError, ValueError) as error:
        raise DataNotFound(source, getattr(error, "strerror", None) or str(error)) from None


def _bytes_of(path: Path) -> bytes:
    with _reported(path):
        return path.read_bytes()


def file_ending(path: Path) -> str:
    """The last ending that is not one of compression."""
    endings = [ending.lower() for ending in path.suffixes]
    return next((each for each in reversed(endings) if each not in _PACKED_ENDINGS), "")


def _parsed(raw: bytes, path: Path, settings: FileSettings, as_text: Collection[str]) -> Dataset:
    content, compression = unpacked(raw, str(path))
    read = parse_content(content, file_ending(path), str(path), settings, as_text)
    found = {"compression": compression} if compression else {}
    return replace(read, sha256=hashlib.sha256(raw).hexdigest(), found=found | dict(read.found))


def parse_content(
    content: bytes, ending: str, source: str, settings: FileSettings, as_text: Collection[str]
) -> Dataset:
    """The data in ``content``, without the digest of its file."""
    missing = missing_texts(settings)
    found: dict[str, str] = {}
    form = FORMS[0]
    is_typed = True
    if content.startswith(PARQUET) or ending in PARQUET_ENDINGS:
        frame = read_parquet(content, source)
    elif content.startswith((ARROW_FILE, ARROW_STREAM)) or ending in ARROW_ENDINGS:
        frame = read_arrow(content, source)
    elif content.startswith(ZIP):
        if not is_workbook(content):
            raise DataMalformed(source, "is a zip archive", "Unpack it first.")
        frame, found["sheet"] = read_excel(content, source, settings.sheet)
        is_typed = False
    elif content.startswith(OLD_EXCEL):
        raise DataMalformed(
            source, "is an Excel workbook in the old form .xls", "Save it as .xlsx."
        )
    elif ending in JSON_ENDINGS:
        frame = read_json_lines(content, source, settings.encoding)
    else:
        table = _csv(content, source, settings, as_text)
        frame, is_typed = table.frame, False
        found |= {"encoding": table.encoding, "delimiter": table.delimiter}
    if not is_typed:
        form = number_format(frame, as_text, settings, source, found.get("delimiter", ""))
        found |= {"decimal": form.decimal, "thousands": form.thousands}
    rules = CellRules(missing, form, is_typed)
    return Dataset(source, frame, "", rules, found)


def _csv(content: bytes, source: str, settings: FileSettings, as_text: Collection[str]) -> CsvTable:
    """Read CSV. Where the decimal sign is, or may be, a comma, all cells are texts: pandas would
    read 1.234 as a fraction."""
    is_given = settings.decimal is not None or settings.thousands is not None
    if is_given:
        return read_csv(content, source, settings, as_text=None)
    table = read_csv(content, source, settings, as_text=as_text)
    form = number_format(table.frame, as_text, settings, source)
    if table.delimiter != ";" and form.decimal == ".":
        return table
    return read_csv(content, source, settings, as_text=None)


def _bundled(data: str) -> Dataset:
    name = data.removeprefix(BUNDLED_PREFIX)
    loader = _LOADERS.get(name)
    if loader is None:
        raise BundledSetUnknown(name, BUNDLED_SETS)
    bunch = loader(as_frame=True)
    frame = bunch.frame.rename(columns=str)
    class_names = getattr(bunch, "target_names", None)
    if class_names is not None:
        labels = [str(class_names[code]) for code in bunch.target]
        frame[BUNDLED_TARGET] = pd.array(labels, dtype="string")
    digest = hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()
    return Dataset(data, frame, digest)
