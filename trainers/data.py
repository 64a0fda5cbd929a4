"""Reads the data to train on: CSV, Parquet or one of scikit-learn's bundled sets."""

import hashlib
import io
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sklearn import datasets

from registry.extras import is_installed
from trainers.bundled import BUNDLED_PREFIX, BUNDLED_TARGET, is_bundled
from trainers.csv_data import check_names, read_csv
from trainers.errors import (
    BundledSetUnknown,
    DataEmpty,
    DataMalformed,
    DataNotFound,
    PyarrowMissing,
    TooFewRows,
)

_LOADERS = {
    "iris": datasets.load_iris,
    "diabetes": datasets.load_diabetes,
    "wine": datasets.load_wine,
    "breast_cancer": datasets.load_breast_cancer,
}
BUNDLED_SETS = tuple(_LOADERS)
PARQUET_ENDINGS = {".parquet", ".pq"}


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data as read: ``frame`` with pandas' nullable types, ``sha256`` of the bytes of its file.

    A bundled set has no file: its digest is that of its content written as CSV.
    """

    source: str
    frame: pd.DataFrame
    sha256: str

    @property
    def columns(self) -> list[str]:
        return list(self.frame.columns)


def read_dataset(data: str, *, as_text: Collection[str] = ()) -> Dataset:
    """Read ``data``: a path, or ``sklearn:iris`` and the like. Files ending in .parquet or .pq are
    Parquet, all others CSV. The cells of the columns ``as_text`` of a CSV file are kept as they are
    written.

    Raises a subclass of DataRefused, which says what is wrong.
    """
    dataset = _bundled(data) if is_bundled(data) else _file(Path(data), as_text)
    rows = len(dataset.frame)
    if rows == 0:
        raise DataEmpty(dataset.source, "has a header and no rows")
    if rows == 1:
        raise TooFewRows(dataset.source, 1, "add rows: some of them are held out for evaluation")
    return dataset


def data_digest(data: str) -> str:
    """The ``sha256`` that ``read_dataset`` gives for ``data``, without parsing a file.

    Raises DataNotFound, BundledSetUnknown.
    """
    if is_bundled(data):
        return _bundled(data).sha256
    return hashlib.sha256(_bytes_of(Path(data))).hexdigest()


def _bytes_of(path: Path) -> bytes:
    source = str(path)
    if path.is_dir():
        raise DataNotFound(source, "it is a directory")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataNotFound(source) from None
    except (OSError, ValueError) as error:
        raise DataNotFound(source, getattr(error, "strerror", None) or str(error)) from None


def _file(path: Path, as_text: Collection[str]) -> Dataset:
    source = str(path)
    raw = _bytes_of(path)
    if not raw.strip():
        raise DataEmpty(source, "is empty")
    is_parquet = path.suffix.lower() in PARQUET_ENDINGS
    frame = _read_parquet(raw, source) if is_parquet else read_csv(raw, source, as_text=as_text)
    return Dataset(source, frame, hashlib.sha256(raw).hexdigest())


def _read_parquet(raw: bytes, source: str) -> pd.DataFrame:
    if not is_installed("arrow"):
        raise PyarrowMissing(source)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        check_names(pq.read_schema(io.BytesIO(raw)).names, source)
        frame = pd.read_parquet(io.BytesIO(raw), dtype_backend="numpy_nullable")
    except (pa.ArrowException, OSError) as error:
        raise DataMalformed(
            source, f"is not a Parquet file ({error})", "Write it again as Parquet or CSV."
        ) from None
    # An index with a name was a column; one without a name only counts the rows.
    frame = frame.reset_index(drop=all(name is None for name in frame.index.names))
    return frame.rename(columns=str)


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
