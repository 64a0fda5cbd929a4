"""The formats of files, by the endings of their names."""

from dataclasses import dataclass
from enum import Enum

from hotswap.errors import FileRefused


class Format(Enum):
    """A format that is read and written."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    PARQUET = "parquet"
    ARROW = "arrow"
    ARROW_STREAM = "arrows"

    @property
    def is_text(self) -> bool:
        return self in {Format.CSV, Format.JSON_LINES}


_BY_ENDING = {
    ".csv": Format.CSV,
    ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".arrow": Format.ARROW,
    ".feather": Format.ARROW,
    ".arrows": Format.ARROW_STREAM,
}
_GZIP = ".gz"


@dataclass(frozen=True, slots=True)
class FileType:
    """``gzip``: a text file compressed as a whole."""

    format: Format
    gzip: bool = False


def file_type(path: str) -> FileType:
    """The type of the file at ``path``. Raises FileRefused for an unknown ending."""
    name = path.lower()
    gzip = name.endswith(_GZIP)
    _, dot, ending = name.removesuffix(_GZIP).rpartition(".")
    found = _BY_ENDING.get(dot + ending)
    if found is None or (gzip and not found.is_text):
        raise FileRefused(
            f"{path} must end in one of {', '.join(_BY_ENDING)}; text files may also end in .gz."
        )
    return FileType(found, gzip)
