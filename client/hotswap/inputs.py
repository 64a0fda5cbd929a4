"""Encodes the data to predict as bodies of requests."""

from collections.abc import Mapping, Sequence
from typing import Any

from hotswap.batches import JSON, Batch, Tabular, as_json, batch_of_rows, batch_of_tabular

Record = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]]
Predictable = Record | Rows | Tabular | bytes | Batch

_ENVELOPES = frozenset(
    {"instances", "input", "X", "inputs", "dataframe_split", "dataframe_records"}
)


def batch_of(data: Predictable, content_type: str | None = None, *, arrow: bool = True) -> Batch:
    """The batch for a record, rows, a DataFrame, an Arrow table, an array, or encoded bytes; a
    Batch as it is.

    ``arrow``: whether the service reads Arrow; tables are sent as JSON otherwise.

    Raises ValueError for bytes without a content type, and for data of another type.
    """
    if isinstance(data, Batch):
        return data
    if isinstance(data, bytes):
        if content_type is None:
            raise ValueError("Bytes require a content_type, such as 'text/csv'.")
        return Batch(1, content_type, lambda _start, _stop: data)
    if isinstance(data, Mapping):
        record = dict(data)
        # A column with the name of an envelope would be read as the envelope.
        if _ENVELOPES.isdisjoint(record):
            return Batch(1, JSON, lambda _start, _stop: as_json(record))
        return Batch(1, JSON, lambda _start, _stop: as_json({"instances": [record]}), unwrap=True)
    tabular = batch_of_tabular(data, arrow=arrow)
    if tabular is not None:
        return tabular
    if isinstance(data, Sequence) and not isinstance(data, str):
        return batch_of_rows(data)
    raise ValueError(
        f"Cannot predict from {type(data).__name__}: give a record, a list of records or "
        "lists, a DataFrame, an Arrow table, an array, or bytes with their content type."
    )
