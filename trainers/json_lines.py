"""Reads JSON lines: an object on each line, whose values are numbers, texts, booleans or null."""

from typing import Any

import msgspec
import pandas as pd

from trainers.cell_columns import column_of
from trainers.csv_data import check_names
from trainers.csv_dialect import decoded
from trainers.errors import DataMalformed


def read_json_lines(raw: bytes, source: str, encoding: str | None = None) -> pd.DataFrame:
    """The columns are the keys of all objects, in the order of their first use; a row without one
    has a missing value there.

    Raises DataMalformed with the line, EncodingRefused, DataEmpty.
    """
    text, _ = decoded(raw, source, encoding)
    decoder = msgspec.json.Decoder()
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = decoder.decode(line)
        except msgspec.DecodeError as error:
            raise _malformed(source, number, str(error)) from None
        except RecursionError:
            raise _malformed(source, number, "it is nested too deeply") from None
        if not isinstance(row, dict):
            raise _malformed(source, number, 'expected an object, such as {"age": 4}')
        rows.append(row)
        for name, value in row.items():
            if isinstance(value, dict | list):
                kind = "an object" if isinstance(value, dict) else "a list"
                raise _malformed(source, number, f"'{name}' is {kind}")
    names = list(dict.fromkeys(name for row in rows for name in row))
    check_names(names, source)
    return pd.DataFrame({name: column_of([row.get(name) for row in rows]) for name in names})


def _malformed(source: str, line: int, what: str) -> DataMalformed:
    return DataMalformed(
        source,
        f"cannot be read as JSON lines at line {line}: {what}",
        "Each line has an object whose values are numbers, texts, booleans or null.",
    )
