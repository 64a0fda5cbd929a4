"""Decodes any JSON body: one record, or rows under one of the keys that serving tools use.

    {"longitude": -122.2, …}                               one record
    {"input": […]}                                         one row, by position
    {"instances": […]}                                     records, or rows by position
    {"X": [[…], …]}                                        rows by position
    {"inputs": {column: […]}}, {"inputs": [[…], …]}        columns, or rows by position
    {"dataframe_split": {"columns": […], "data": [[…]]}}   rows, as MLflow sends them
    {"dataframe_records": [{…}]}                           records, as MLflow sends them

Cells are never lists or objects, so such a key with a list or an object is a wrapper even if the
model has a column of that name.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from registry.codecs.batch import Batch, build_batch, missing_columns, refuse
from registry.errors import BodyMalformed, Fault, InputRefused
from registry.signature import Signature

_decode = msgspec.json.Decoder().decode


def decode_json(body: bytes, signature: Signature) -> Batch:
    """Raises BodyMalformed where ``body`` is not JSON, InputRefused where it does not fit."""
    value = parse_json(body)
    if not isinstance(value, dict):
        raise InputRefused(
            "Expected a JSON object: one record, or rows under 'instances', 'inputs', 'X', 'input',"
            " 'dataframe_split' or 'dataframe_records'."
        )
    wrappers = [key for key in WRAPPERS if isinstance(value.get(key), list | dict)]
    if len(wrappers) > 1:
        raise InputRefused(f"Send rows under one key, not under {' and '.join(wrappers)}.")
    if wrappers:
        return WRAPPERS[wrappers[0]](wrappers[0], value[wrappers[0]], signature)
    for key in WRAPPERS:
        if key in value and key not in signature.names:
            raise InputRefused(
                f"Expected a list of rows in '{key}'.", [Fault(key, "expected a list")]
            )
    return _record(value, signature)


def decode_inputs(value: Any, signature: Signature) -> Batch:
    """The rows of ``inputs`` where it may also be one record or a list of records.

    Raises InputRefused.
    """
    if isinstance(value, list):
        return _instances("inputs", value, signature)
    if isinstance(value, dict) and value.keys() >= set(signature.names):
        cells = [(value[name],) for name in signature.names]
        if not any(isinstance(cell, list) for (cell,) in cells):
            return build_batch(cells, signature, lambda _, column: f"inputs.{column.name}")
    return _inputs("inputs", value, signature)


def parse_json(body: bytes, decode: Callable[[bytes], Any] = _decode) -> Any:
    """Raises BodyMalformed where ``body`` is not JSON, InputRefused where ``decode`` refuses it."""
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise InputRefused(f"The body is not accepted: {error}.") from error
    except RecursionError as error:
        raise BodyMalformed("The body is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyMalformed(f"The body is not JSON: {error}.") from error


def _record(value: dict[str, Any], signature: Signature) -> Batch:
    missing = [name for name in signature.names if name not in value]
    if missing:
        raise missing_columns(missing)
    cells = [(value[name],) for name in signature.names]
    return build_batch(cells, signature, lambda _, column: column.name, single=True)


def _records(key: str, value: Any, signature: Signature) -> Batch:
    rows = _list(key, value)
    _each_is(key, rows, dict, "a record (an object)")
    try:
        cells = [list(map(itemgetter(name), rows)) for name in signature.names]
    except KeyError:
        raise _missing_in_records(key, rows, signature) from None
    return build_batch(cells, signature, lambda row, column: f"{key}[{row}].{column.name}")


def _rows(key: str, value: Any, signature: Signature) -> Batch:
    rows = _list(key, value)
    _each_is(key, rows, list, "a row (a list)")
    return _by_position(rows, signature, key, single=False)


def _instances(key: str, value: Any, signature: Signature) -> Batch:
    rows = _list(key, value)
    by_name = not rows or isinstance(rows[0], dict)
    return _records(key, rows, signature) if by_name else _rows(key, rows, signature)


def _one_row(key: str, value: Any, signature: Signature) -> Batch:
    return _by_position([_list(key, value)], signature, key, single=True)


def _inputs(key: str, value: Any, signature: Signature) -> Batch:
    if isinstance(value, list):
        return _rows(key, value, signature)
    if not isinstance(value, dict):
        raise refuse([Fault(key, "expected a list or an object")])
    return _by_column(value, signature, lambda name: f"{key}.{name}")


def _by_column(value: Mapping[str, Any], signature: Signature, at: Callable[[str], str]) -> Batch:
    missing = [name for name in signature.names if name not in value]
    if missing:
        raise missing_columns(missing, at)
    cells = [value[name] for name in signature.names]
    for name, column in zip(signature.names, cells, strict=True):
        if not isinstance(column, list):
            raise refuse([Fault(at(name), "expected a list of values")])
        if len(column) != len(cells[0]):
            message = f"{len(column)} values, but '{signature.names[0]}' has {len(cells[0])}"
            raise refuse([Fault(at(name), message)])
    return build_batch(cells, signature, lambda row, column: f"{at(column.name)}[{row}]")


def _split(key: str, value: Any, signature: Signature) -> Batch:
    columns = value.get("columns") if isinstance(value, dict) else None
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(columns, list) or not isinstance(data, list):
        raise refuse([Fault(key, "expected an object with the lists 'columns' and 'data'")])
    if not all(isinstance(name, str) for name in columns) or len(set(columns)) != len(columns):
        raise refuse([Fault(f"{key}.columns", "expected distinct names")])
    positions = {name: index for index, name in enumerate(columns)}
    missing = [name for name in signature.names if name not in positions]
    if missing:
        raise missing_columns(missing, lambda name: f"{key}.columns.{name}")
    _each_is(f"{key}.data", data, list, "a row (a list)")
    _each_has_length(f"{key}.data", data, len(columns), single=False)
    cells = [list(map(itemgetter(positions[name]), data)) for name in signature.names]
    return build_batch(
        cells, signature, lambda row, column: f"{key}.data[{row}][{positions[column.name]}]"
    )


def _by_position(
    rows: Sequence[list[Any]], signature: Signature, key: str, *, single: bool
) -> Batch:
    width = len(signature.inputs)
    position = {name: index for index, name in enumerate(signature.names)}

    _each_has_length(key, rows, width, single=single)
    return build_batch(
        list(zip(*rows, strict=True)),
        signature,
        lambda row, column: f"{_row_at(key, row, single=single)}[{position[column.name]}]",
        single=single,
    )


def _list(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise refuse([Fault(key, "expected a list")])
    return value


def _each_is(key: str, rows: Sequence[Any], kind: type, what: str) -> None:
    if set(map(type, rows)) - {kind}:
        raise refuse(
            Fault(f"{key}[{index}]", f"expected {what}, like the other rows")
            for index, row in enumerate(rows)
            if not isinstance(row, kind)
        )


def _each_has_length(key: str, rows: Sequence[list[Any]], length: int, *, single: bool) -> None:
    for index, row in enumerate(rows):
        if len(row) != length:
            message = f"expected {length} values, not {len(row)}"
            raise refuse([Fault(_row_at(key, index, single=single), message)])


def _row_at(key: str, row: int, *, single: bool) -> str:
    return key if single else f"{key}[{row}]"


def _missing_in_records(
    key: str, rows: Sequence[dict[str, Any]], signature: Signature
) -> InputRefused:
    return refuse(
        Fault(f"{key}[{index}].{name}", "the column is missing")
        for index, row in enumerate(rows)
        for name in signature.names
        if name not in row
    )


WRAPPERS: dict[str, Callable[[str, Any, Signature], Batch]] = {
    "instances": _instances,
    "inputs": _inputs,
    "input": _one_row,
    "X": _rows,
    "dataframe_split": _split,
    "dataframe_records": _records,
}
