"""A table to measure promotions on, as bytes."""

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from client.batches import DataFrame

PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv"
_BY_ENDING = {".csv": CSV, ".parquet": PARQUET, ".pq": PARQUET}

HoldoutTable = Path | DataFrame


def holdout_body(table: HoldoutTable) -> tuple[bytes, str]:
    """The bytes of a file or a DataFrame, and what they are.

    Raises OSError, and ValueError for a file that is neither CSV nor Parquet by its ending.
    """
    if isinstance(table, Path):
        content_type = _BY_ENDING.get(table.suffix.lower())
        if content_type is None:
            raise ValueError(f"{table} ends neither in .csv nor in .parquet.")
        return table.read_bytes(), content_type
    return _of_frame(table)


def _of_frame(frame: Any) -> tuple[bytes, str]:
    if find_spec("pyarrow") is None:
        return frame.to_csv(index=False).encode(), CSV
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue(), PARQUET
