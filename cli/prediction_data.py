"""Reads the file of ``hotswap predict --data`` and finds its content type."""

import sys
from dataclasses import dataclass
from pathlib import Path

import click

CSV = "text/csv"
JSON = "application/json"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"

_BY_ENDING = {".csv": CSV, ".json": JSON, ".parquet": PARQUET, ".pq": PARQUET, ".arrows": ARROW}
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class PredictionData:
    """The bytes to send and their content type."""

    content: bytes
    content_type: str


def read_prediction_data(source: str) -> PredictionData:
    """Read a file, or stdin for ``-``; a JSON list becomes ``instances``.

    Raises click.UsageError for an unknown ending or an empty file, OSError.
    """
    if source == "-":
        content = sys.stdin.buffer.read()
        content_type = _sniffed(content)
    else:
        path = Path(source)
        if path.suffix.lower() not in _BY_ENDING:
            endings = ", ".join(_BY_ENDING)
            raise click.UsageError(f"{source} must end in one of {endings}.")
        content, content_type = path.read_bytes(), _BY_ENDING[path.suffix.lower()]
    if not content.strip():
        raise click.UsageError(f"{'stdin' if source == '-' else source} is empty.")
    if content_type == JSON and content.lstrip().startswith(b"["):
        content = b'{"instances":' + content + b"}"
    return PredictionData(content, content_type)


def _sniffed(content: bytes) -> str:
    if content.startswith(_PARQUET_MAGIC):
        return PARQUET
    return JSON if content.lstrip()[:1] in {b"{", b"["} else CSV
