"""Turns whatever a caller wants predicted into bodies of the service."""

from collections.abc import Mapping, Sequence
from typing import Any

from client.batches import JSON, Batch, Tabular, as_json, batch_of_rows, batch_of_table

Record = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]]
Predictable = Record | Rows | Tabular | bytes

_ENVELOPES = frozenset(
    {"instances", "input", "X", "inputs", "dataframe_split", "dataframe_records"}
)


def batch_of(data: Predictable, content_type: str | None = None) -> Batch:
    """A record, rows, a table, an array, or bytes as they are, ready to send.

    Raises ValueError where bytes come without a content type, or ``data`` is none of these.
    """
    if isinstance(data, bytes):
        if content_type is None:
            raise ValueError("Bytes need a content_type, such as 'text/csv'.")
        return Batch(1, content_type, lambda _start, _stop: data)
    if isinstance(data, Mapping):
        record = dict(data)
        # A column that has the name of an envelope would be taken for the envelope.
        if _ENVELOPES.isdisjoint(record):
            return Batch(1, JSON, lambda _start, _stop: as_json(record))
        return Batch(1, JSON, lambda _start, _stop: as_json({"instances": [record]}), unwrap=True)
    table = batch_of_table(data)
    if table is not None:
        return table
    if isinstance(data, Sequence) and not isinstance(data, str):
        return batch_of_rows(data)
    raise ValueError(
        f"{type(data).__name__} is nothing to predict from: give a record, a list of records or "
        "lists, a DataFrame, an Arrow table, an array, or bytes with their content type."
    )
