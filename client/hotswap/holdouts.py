"""Encodes holdout data as the body of a request."""

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hotswap.batches import DataFrame

PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv"
_BY_ENDING = {".csv": CSV, ".parquet": PARQUET, ".pq": PARQUET}

HoldoutData = Path | DataFrame


def holdout_body(data: HoldoutData, *, parquet: bool = True) -> tuple[bytes, str]:
    """The bytes of a file or a DataFrame, and their content type.

    ``parquet``: whether the service reads Parquet; a DataFrame is sent as CSV otherwise.

    Raises OSError, and ValueError for a file whose ending is not that of CSV or Parquet.
    """
    if isinstance(data, Path):
        content_type = _BY_ENDING.get(data.suffix.lower())
        if content_type is None:
            raise ValueError(f"{data} must end in .csv or .parquet.")
        return data.read_bytes(), content_type
    return _of_frame(data, parquet=parquet)


def _of_frame(frame: Any, *, parquet: bool) -> tuple[bytes, str]:
    if not parquet or find_spec("pyarrow") is None:
        return frame.to_csv(index=False).encode(), CSV
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue(), PARQUET
