"""Rows of data as records of plain values, in the form of a request."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from registry.dates import format_date, from_datetimes
from registry.signature import Column, Record, Scalar, Signature


def example(frame: pd.DataFrame, signature: Signature) -> Record:
    """The first row without a missing value, else the first row."""
    complete = frame.dropna()
    return records((complete if len(complete) else frame).iloc[:1], signature)[0]


def records(frame: pd.DataFrame, signature: Signature) -> list[Record]:
    """Each row by column name, with values of the signature's types, None where one is missing."""
    return [_record(row, signature) for row in frame.to_dict(orient="records")]


def _record(row: Mapping[Any, Any], signature: Signature) -> Record:
    return {column.name: _native(row[column.name], column) for column in signature.inputs}


def _native(value: Any, column: Column) -> Scalar:
    if value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    if column.type == "date":
        return format_date(from_datetimes(np.array([value], "datetime64[us]"))[0])
    native = {"number": float, "integer": int, "boolean": bool, "string": str}[column.type]
    converted: Scalar = native(value)
    return converted
