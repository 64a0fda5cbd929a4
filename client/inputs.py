"""Turns what a caller wants predicted into a body of the service."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]]

_ENVELOPES = frozenset(
    {"instances", "input", "X", "inputs", "dataframe_split", "dataframe_records"}
)


@dataclass(frozen=True, slots=True)
class PredictionBody:
    """The bytes to send; ``unwrap`` where one record had to travel as a list of one."""

    content: bytes
    content_type: str
    unwrap: bool = False


def prediction_body(data: Record | Rows | bytes, content_type: str | None) -> PredictionBody:
    """A record, rows (records or lists) or bytes as they are, ready to send.

    Raises ValueError where bytes come without a content type, or a value is NaN, infinite or
    nothing that JSON knows.
    """
    if isinstance(data, bytes):
        if content_type is None:
            raise ValueError("Bytes need a content_type, such as 'text/csv'.")
        return PredictionBody(data, content_type)
    if isinstance(data, Mapping):
        # A column that has the name of an envelope would be taken for the envelope.
        if _ENVELOPES.isdisjoint(data):
            return PredictionBody(_json(dict(data)), "application/json")
        return PredictionBody(_json({"instances": [dict(data)]}), "application/json", unwrap=True)
    return PredictionBody(_json({"instances": list(data)}), "application/json")


def _json(value: object) -> bytes:
    try:
        return json.dumps(value, allow_nan=False).encode()
    except TypeError as error:
        raise ValueError(f"The values to predict from must be JSON: {error}") from None
