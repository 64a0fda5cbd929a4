"""How a request is written for each server, and how its response is read."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from benchmarks.workloads import Workload, columns, records

JSON, CSV = "application/json", "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
TENSORS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Request:
    """A POST request without its host."""

    path: str
    body: bytes
    content_type: str = JSON
    accept: str = ""
    json_size: int | None = None
    """The bytes of JSON before binary tensors."""

    def headers(self, token: str = "") -> dict[str, str]:
        """The headers that a client sends."""
        found = {"Content-Type": self.content_type, "Content-Length": str(len(self.body))}
        if self.accept:
            found["Accept"] = self.accept
        if self.json_size is not None:
            found["Inference-Header-Content-Length"] = str(self.json_size)
        if token:
            found["Authorization"] = f"Bearer {token}"
        return found

    def wire(self, port: int, token: str = "") -> bytes:
        """The bytes of the whole request."""
        lines = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name}: {value}" for name, value in self.headers(token).items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


Asking = Callable[[Workload, pd.DataFrame], Request]


@dataclass(frozen=True, slots=True)
class Dialect:
    """``asks`` has a function that writes a request for each form of body that the server accepts;
    ``answers`` reads the predictions from a response body and its content type."""

    asks: Mapping[str, Asking]
    answers: Callable[[bytes, str], Any]

    def requests(self, workload: Workload) -> list[Request]:
        """Every request of the workload."""
        ask = self.asks[workload.form]
        return [ask(workload, table) for table in workload.tables]


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _one_or_list(table: pd.DataFrame) -> Any:
    rows = records(table)
    return rows[0] if len(rows) == 1 else rows


def _hotswap(
    content_type: str, encode: Callable[[pd.DataFrame], bytes], accept: str = ""
) -> Asking:
    def ask(workload: Workload, table: pd.DataFrame) -> Request:
        return Request(f"/models/{workload.model}/predict", encode(table), content_type, accept)

    return ask


def records_body(table: pd.DataFrame) -> bytes:
    """``{"instances": [{column: ...}, ...]}``, or one record."""
    rows = records(table)
    return _json(rows[0] if len(rows) == 1 else {"instances": rows})


def inputs_body(table: pd.DataFrame) -> bytes:
    """``{"inputs": {column: [...]}}``"""
    return _json({"inputs": columns(table)})


def instances_body(table: pd.DataFrame) -> bytes:
    """``{"instances": [[...], ...]}``"""
    return _json({"instances": [list(row.values()) for row in records(table)]})


def _scoring(workload: Workload, table: pd.DataFrame) -> Request:
    rows = [list(row.values()) for row in records(table)]
    body = _json({"dataframe_split": {"columns": list(table), "data": rows}})
    return Request(f"/models/{workload.model}/invocations", body)


def _tensorflow(workload: Workload, table: pd.DataFrame) -> Request:
    return Request(f"/v1/models/{workload.model}:predict", instances_body(table))


def csv_body(table: pd.DataFrame) -> bytes:
    """CSV with a header."""
    return table.to_csv(index=False).encode()


def arrow_body(table: pd.DataFrame) -> bytes:
    """An Arrow stream."""
    data = pa.Table.from_pandas(table, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write_table(data)
    return bytes(sink.getvalue().to_pybytes())


def parquet_body(table: pd.DataFrame) -> bytes:
    """A Parquet file with pyarrow's default compression."""
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pandas(table, preserve_index=False), sink)
    return sink.getvalue()


def _tensors(workload: Workload, table: pd.DataFrame) -> Request:
    """A binary tensor for each column, and a binary one in return."""
    inputs, blobs = [], []
    for name, column in table.items():
        if column.dtype.kind in "fi":
            datatype, blob = "FP64", column.to_numpy("<f8").tobytes()
        else:
            texts = [text.encode() for text in column]
            datatype = "BYTES"
            blob = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
        blobs.append(blob)
        described = {"name": name, "shape": [len(table), 1], "datatype": datatype}
        inputs.append({**described, "parameters": {"binary_data_size": len(blob)}})
    head = _json({"inputs": inputs, "parameters": {"binary_data_output": True}})
    path = f"/v2/models/{workload.model}/infer"
    return Request(path, head + b"".join(blobs), TENSORS, "", len(head))


def _hotswap_answers(reply: bytes, content_type: str) -> Any:
    if content_type == TENSORS:
        head, end = json.JSONDecoder().raw_decode(reply.decode("latin-1"))
        kind = {"FP64": "<f8", "INT64": "<i8"}[head["outputs"][0]["datatype"]]
        return np.frombuffer(reply[end:], kind)
    if content_type.startswith(ARROW):
        return pa.ipc.open_stream(reply).read_all().column(0).to_numpy()
    answer = json.loads(reply)
    if "outputs" in answer:
        return answer["outputs"][0]["data"]
    return answer["predictions"] if "predictions" in answer else [answer["prediction"]]


def _plain(workload: Workload, table: pd.DataFrame) -> Request:
    return Request(f"/{workload.model}/predict", _json(_one_or_list(table)))


def _fastapi(workload: Workload, table: pd.DataFrame) -> Request:
    route = "predict" if len(table) == 1 else "predict_many"
    return Request(f"/{workload.model}/{route}", _json(_one_or_list(table)))


def _mlserver(workload: Workload, table: pd.DataFrame) -> Request:
    inputs = []
    for name, values in columns(table).items():
        text = isinstance(values[0], str)
        tensor = {"name": name, "shape": [len(values), 1], "data": values}
        kind = (
            {"datatype": "BYTES", "parameters": {"content_type": "str"}}
            if text
            else {"datatype": "FP64"}
        )
        inputs.append({**tensor, **kind})
    body = {"parameters": {"content_type": "pd"}, "inputs": inputs}
    return Request(f"/v2/models/{workload.model}/infer", _json(body))


def _mlflow(_workload: Workload, table: pd.DataFrame) -> Request:
    return Request("/invocations", _json({"dataframe_records": records(table)}))


def _bentoml(workload: Workload, table: pd.DataFrame) -> Request:
    return Request(f"/predict_{workload.model}", _json({"rows": records(table)}))


HOTSWAP = Dialect(
    {
        "records": _hotswap(JSON, records_body),
        "inputs": _hotswap(JSON, inputs_body),
        "csv": _hotswap(CSV, csv_body),
        "arrow": _hotswap(ARROW, arrow_body, accept=ARROW),
        "parquet": _hotswap(PARQUET, parquet_body),
        "tensors": _tensors,
        "json-tensors": _mlserver,
        "scoring": _scoring,
        "tensorflow": _tensorflow,
    },
    _hotswap_answers,
)
FLASK = Dialect({"records": _plain}, lambda reply, _: json.loads(reply)["predictions"])
FASTAPI = Dialect({"records": _fastapi}, lambda reply, _: json.loads(reply)["predictions"])
MLSERVER = Dialect({"records": _mlserver}, lambda reply, _: json.loads(reply)["outputs"][0]["data"])
MLFLOW = Dialect({"records": _mlflow}, lambda reply, _: json.loads(reply)["predictions"])
BENTOML = Dialect({"records": _bentoml}, lambda reply, _: json.loads(reply))


def as_numbers(answers: Any) -> np.ndarray:
    """The predictions from ``Dialect.answers`` as one flat array of doubles."""
    return np.asarray(answers, dtype=np.float64).ravel()
