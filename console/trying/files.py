"""A file of rows: CSV, Parquet or an Arrow stream, and the same rows with their predictions."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

from console.formats import spreadsheet_cell
from console.trying.fields import Field
from console.trying.predicting import Predicted
from registry.codecs.csv_reply import PREDICTION, free_name, sent_rows, write_csv
from registry.codecs.requests import ARROW, CSV, PARQUET
from registry.dates import to_datetimes
from registry.errors import BodyMalformed
from registry.signature import Signature

_PARQUET = b"PAR1"
_ARROW = b"\xff\xff\xff\xff"
_ZIP = b"PK\x03\x04"


def type_of(content: bytes) -> str:
    """The content type of a file, by its first bytes. Raises BodyMalformed for a workbook."""
    if content.startswith(_ZIP):
        raise BodyMalformed("This is a workbook or an archive. Save the sheet as CSV first.")
    if content.startswith(_PARQUET):
        return PARQUET
    return ARROW if content.startswith(_ARROW) else CSV


def as_csv(
    content_type: str, content: bytes, signature: Signature, predicted: Predicted
) -> Iterator[bytes]:
    """The rows with a column of predictions: all columns of CSV, those of the version otherwise."""
    rows = sent_rows(content_type, content, predicted.batch, signature)
    return write_csv(
        predicted.predictions, signature, rows, text=spreadsheet_cell, most=predicted.most
    )


def as_parquet(fields: Sequence[Field], predicted: Predicted) -> bytes:
    """The columns of the version and the predictions as Parquet."""
    from pyarrow import parquet

    from registry.codecs.arrow_library import pa

    columns: dict[str, Any] = {}
    for field in fields:
        cells: Any = predicted.batch.columns[field.name]
        if field.type == "date":
            columns[field.name] = pa.array(to_datetimes(cells), pa.timestamp("us"))
            continue
        column = pa.array(cells, from_pandas=True)
        kind = {"integer": pa.int64(), "boolean": pa.bool_()}.get(field.type)
        columns[field.name] = column if kind is None else column.cast(kind)
    columns[free_name(PREDICTION, list(columns))] = pa.array(predicted.predictions.values)
    content = io.BytesIO()
    parquet.write_table(pa.table(columns), content)
    return content.getvalue()
