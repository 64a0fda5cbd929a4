"""A fake service that answers each row with its column ``x`` times two, and the files for it."""

import csv
import gzip
import io
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

from hotswap import PredictedFile, Registry, predict_file
from hotswap.batches import ARROW
from tests.integration.cli.fake_service import Answer, FakeService, ReceivedRequest, problem

ROWS = 800
ENDINGS = ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet", "arrow", "arrows"]
SIGNATURE = {
    "inputs": [{"name": "x", "type": "number", "nullable": False}],
    "output": {"name": "y", "type": "number"},
}


class Doubler(FakeService):
    """Predicts twice ``x``; refuses rows with a negative one, and bodies above ``largest`` bytes.

    After ``most`` requests it answers ``failure``; ``failed`` counts these.
    """

    def __init__(self) -> None:
        super().__init__()
        self.most = self.largest = 10**9
        self.failure = problem(500, "internal", "It broke.")
        self.failed = threading.Semaphore(0)
        self._lock = threading.Lock()
        self.predicted: list[int] = []
        self.add_version("m", signature=SIGNATURE)
        self.add_version("m", signature=SIGNATURE)
        self.aliases["m"] = {"production": 1}

    def _predict(
        self, received: ReceivedRequest, name: str, reference: str = "production"
    ) -> Answer:
        with self._lock:
            return self._double(received, name, reference)

    def _double(self, received: ReceivedRequest, name: str, reference: str) -> Answer:
        if len(self.predicted) >= self.most:
            self.failed.release()
            return self.failure
        if len(received.body) > self.largest:
            return problem(413, "too-large", f"At most {self.largest} bytes.")
        rows = x_of(received)
        if isinstance(rows, Answer):
            return rows
        if bad := [index for index, x in enumerate(rows) if x < 0]:
            place = (
                "instances" if received.headers["Content-Type"] == "application/json" else "rows"
            )
            at = f"{place}[{bad[0]}].x"
            fault = {"at": at, "message": "negative"}
            return problem(422, "input-refused", f"First, {at}: negative.", errors=[fault])
        self.predicted += [len(rows)]
        answer = {"model": name, "version": int(reference), "predictions": [2 * x for x in rows]}
        if received.query.get("scores") == ["true"]:
            answer["scores"] = [-x for x in rows]
        return Answer(200, answer)


def x_of(received: ReceivedRequest) -> list[float] | Answer:
    kind = received.headers["Content-Type"]
    if kind == ARROW:
        with pa.ipc.open_stream(received.body) as reader:
            table = reader.read_all()
        assert table.column_names == ["x"]
        return table.column("x").to_pylist()  # type: ignore[no-any-return]
    if kind == "text/csv":
        return [float(row["x"]) for row in csv.DictReader(io.StringIO(received.body.decode()))]
    try:
        return [row["x"] for row in received.json["instances"]]
    except ValueError:
        return problem(400, "body-malformed", "Not JSON.")


def table(count: int = ROWS, first: int = 0) -> pa.Table:
    numbers = range(first, first + count)
    return pa.table(
        {
            "id": [f"row {n}" for n in numbers],
            "x": [n / 3 for n in numbers],
            "note": [None if n % 7 else 'a "quoted"\nline' for n in numbers],
        }
    )


def write(path: Path, data: pa.Table) -> Path:
    """``data`` in the format of the ending, in row groups and record batches of 320 rows."""
    kind = path.name.partition(".")[2]
    if kind == "parquet":
        pa.parquet.write_table(data, path, row_group_size=320)
    elif kind == "arrow":
        pa.feather.write_feather(data, path, chunksize=320)
    elif kind == "arrows":
        with pa.ipc.new_stream(path, data.schema) as writer:
            writer.write_table(data, max_chunksize=320)
    else:
        content = as_text(kind, data.to_pylist())
        path.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
    return path


def as_text(kind: str, rows: Sequence[dict[str, Any]]) -> bytes:
    if kind.startswith("jsonl"):
        return "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    found = io.StringIO()
    writer = csv.DictWriter(found, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return found.getvalue().encode()


def read(path: Path) -> dict[str, list[Any]]:
    kind = path.name.partition(".")[2]
    if kind == "parquet":
        return pa.parquet.read_table(path).to_pydict()  # type: ignore[no-any-return]
    if kind == "arrow":
        return pa.feather.read_table(path).to_pydict()  # type: ignore[no-any-return]
    if kind == "arrows":
        with pa.ipc.open_stream(path) as reader:
            return reader.read_all().to_pydict()  # type: ignore[no-any-return]
    content = path.read_bytes()
    content = gzip.decompress(content) if kind.endswith("gz") else content
    if kind.startswith("jsonl"):
        rows = [json.loads(line) for line in content.splitlines()]
    else:
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
        rows = [{**row, "prediction": float(row["prediction"])} for row in rows]
    return {name: [row[name] for row in rows] for name in rows[0]}


def predict(registry: Registry, data: Path, out: Path, **options: Any) -> PredictedFile:
    return predict_file(registry, "m", str(data), str(out), **options)
