"""A file predicted to a file: every format, kept columns, interrupted runs, and faults by row.

The fake service answers each row with its column ``x`` times two; its chunks are small.
"""

import csv
import gzip
import io
import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from hotswap import PredictedFile, Registry, errors, predict_file
from hotswap.batches import ARROW
from hotswap.files import rows as chunk_sizes
from hotswap.files import tables, text
from hotswap.files.formats import file_type
from hotswap.files.run import PATIENT
from hotswap.retries import NEVER
from tests.integration.cli.fake_service import (
    HSW,
    Answer,
    FakeService,
    ReceivedRequest,
    problem,
    running,
)

ROWS = 2_500
ENDINGS = ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet", "arrow", "arrows"]


class Doubler(FakeService):
    """Predicts twice ``x``; refuses rows with a negative one, and fails after ``most`` requests."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 10**9
        self.predicted: list[int] = []
        self.add_version("m", signature=SIGNATURE)
        self.add_version("m", signature=SIGNATURE)
        self.aliases["m"] = {"production": 1}

    def _predict(
        self, received: ReceivedRequest, name: str, reference: str = "production"
    ) -> Answer:
        if len(self.predicted) >= self.most:
            return problem(500, "internal", "It broke.")
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
        return Answer(200, answer)


SIGNATURE = {
    "inputs": [{"name": "x", "type": "number", "nullable": False}],
    "output": {"name": "y", "type": "number"},
}


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


@pytest.fixture
def service() -> Iterator[Doubler]:
    with running(Doubler) as service:
        assert isinstance(service, Doubler)
        yield service


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of some hundred rows instead of many thousands."""
    monkeypatch.setattr(text, "BLOCK", 8_000)
    monkeypatch.setattr(tables, "CHUNK_ROWS", 300)
    monkeypatch.setattr(tables, "SPAN_ROWS", 700)


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
    """``data`` in the format of the ending, in row groups and record batches of 1,000 rows."""
    kind = path.name.partition(".")[2]
    if kind == "parquet":
        pa.parquet.write_table(data, path, row_group_size=1_000)
    elif kind == "arrow":
        pa.feather.write_feather(data, path, chunksize=1_000)
    elif kind == "arrows":
        with pa.ipc.new_stream(path, data.schema) as writer:
            writer.write_table(data, max_chunksize=1_000)
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


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_format_is_read_in_chunks(
    registry: Registry, service: Doubler, tmp_path: Path, ending: str
) -> None:
    data = write(tmp_path / f"in.{ending}", table())

    done = predict(registry, data, tmp_path / "out.parquet", keep=["id", "note"])

    assert (done.rows, done.version) == (ROWS, 1)
    assert len(service.predicted) > 5
    found = read(tmp_path / "out.parquet")
    assert list(found) == ["id", "note", "prediction"]
    assert found["id"] == table()["id"].to_pylist()
    assert found["prediction"] == [2 * x for x in table()["x"].to_pylist()]
    expected = table()["note"].to_pylist()
    assert found["note"] == [note or "" for note in expected] if "csv" in ending else expected
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in.{ending}", "out.parquet"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_format_is_written_with_the_kept_columns_first(
    registry: Registry, tmp_path: Path, ending: str
) -> None:
    data = write(tmp_path / "in.parquet", table())

    predict(registry, data, tmp_path / f"out.{ending}", keep=["*"])

    found = read(tmp_path / f"out.{ending}")
    assert list(found) == ["id", "x", "note", "prediction"]
    assert found["id"] == table()["id"].to_pylist()
    assert found["prediction"] == [2 * x for x in table()["x"].to_pylist()]


@pytest.mark.parametrize("ending", ["csv", "jsonl.gz", "parquet", "arrow", "arrows"])
def test_a_run_interrupted_at_any_point_gives_the_same_bytes_when_resumed(
    service: Doubler, registry: Registry, tmp_path: Path, ending: str
) -> None:
    data = write(tmp_path / f"in.{ending}", table())
    predict(registry, data, tmp_path / f"whole.{ending}", keep=["id"])
    whole = (tmp_path / f"whole.{ending}").read_bytes()
    chunks = len(service.predicted)
    out = tmp_path / f"out.{ending}"

    for most in (0, 1, chunks - 2):
        service.predicted, service.most = [], most
        with pytest.raises(errors.ProblemReply, match="It broke"):
            predict(registry, data, out, keep=["id"], resume=True, in_flight=1)
        assert not out.exists()
    parts = sorted((tmp_path / f"out.{ending}.parts").glob("*.part"))
    assert len(parts) == chunks - 1
    # What a kill or a full disk can leave: half a part, half of the joined file, a partial file.
    parts[0].write_bytes(parts[0].read_bytes()[:-1])
    (parts[0].parent / "joined").write_bytes(b"half")
    (parts[0].parent / f"{parts[0].name}.77-88").write_bytes(b"half")
    service.predicted, service.most = [], 10**9
    predict(registry, data, out, keep=["id"], resume=True)

    assert len(service.predicted) == 2
    assert out.read_bytes() == whole
    assert not parts[0].parent.exists()


def test_an_unfinished_run_is_continued_only_with_the_same_options(
    service: Doubler, registry: Registry, tmp_path: Path
) -> None:
    data, out = write(tmp_path / "in.csv", table()), tmp_path / "out.csv"
    service.most = 2
    with pytest.raises(errors.ProblemReply):
        predict(registry, data, out)
    service.most = 10**9

    def refused(said: str, **options: Any) -> None:
        with pytest.raises(errors.UnfinishedRun, match=said):
            predict(registry, data, out, **{"resume": True, **options})

    refused("Continue it with resume, or delete the folder", resume=False)
    refused("the columns was .* and is", keep=["id"])
    refused("the version was 1 and is 2", version=2)
    write(data, table(first=1))
    refused("the input's size was|the input's modified was")
    assert len(service.predicted) == 2
    assert not out.exists()


def test_a_resumed_run_keeps_the_version_of_its_alias(
    service: Doubler, registry: Registry, tmp_path: Path
) -> None:
    data, out = write(tmp_path / "in.csv", table()), tmp_path / "out.csv"
    service.most = 2
    with pytest.raises(errors.ProblemReply):
        predict(registry, data, out)
    service.most = 10**9
    service.aliases["m"] = {"production": 2}

    assert predict(registry, data, out, resume=True).version == 1
    assert predict(registry, data, out, resume=True).version == 2


def test_a_failing_first_chunk_leaves_nothing_to_resume(
    service: Doubler, registry: Registry, tmp_path: Path
) -> None:
    data = write(tmp_path / "in.csv", table())
    service.most = 0
    with pytest.raises(errors.ProblemReply):
        predict(registry, data, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_refused_row_is_named_by_its_number_in_the_file(
    registry: Registry, tmp_path: Path, ending: str
) -> None:
    rows = table().to_pylist()
    for number in (1_777, 2_400):
        rows[number]["x"] = -1.0
    data = write(tmp_path / f"in.{ending}", pa.Table.from_pylist(rows, table().schema))
    with pytest.raises(errors.Refused) as caught:
        predict(registry, data, tmp_path / "out.csv", keep=["id"])
    place = "instances" if "jsonl" in ending else "rows"
    assert caught.value.errors[0].at == f"{place}[1777].x"
    assert f"{place}[1777].x" in str(caught.value)


@pytest.mark.parametrize("line", [b'{"x": 1\n', b'{"x": 1}, {"x": 2}\n'])
def test_a_line_that_is_not_json_is_named(registry: Registry, tmp_path: Path, line: bytes) -> None:
    lines = as_text("jsonl", table().to_pylist()).splitlines(keepends=True)
    data = tmp_path / "in.jsonl"
    data.write_bytes(b"".join([*lines[:1_999], line, *lines[1_999:]]))
    with pytest.raises(errors.FileRefused, match="row 1999 is not JSON"):
        predict(registry, data, tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("in.txt", {}, "must end in one of .csv"),
        ("in.parquet.gz", {}, "must end in one of .csv"),
        ("in.parquet", {"keep": ["nothing"]}, "no columns 'nothing'"),
        ("in.csv", {"keep": ["nothing"]}, "no columns 'nothing'"),
        ("empty.csv", {}, "expected a header line"),
        ("lacking.parquet", {}, "no columns 'x'"),
        ("damaged.parquet", {}, "not a readable parquet file"),
        ("damaged.arrow", {}, "not a readable arrow file"),
        ("named.parquet", {"keep": ["*"]}, "columns of predictions named prediction"),
        ("in.parquet", {"probabilities": True}, "no classes, so no probabilities"),
    ],
)
def test_invalid_options_and_files_are_refused_before_a_request(
    service: Doubler, tmp_path: Path, name: str, options: dict[str, Any], said: str
) -> None:
    write(tmp_path / "in.parquet", table())
    write(tmp_path / "in.csv", table())
    write(tmp_path / "lacking.parquet", table().drop_columns("x"))
    write(tmp_path / "named.parquet", table().append_column("prediction", table()["x"]))
    for damaged in ("empty.csv", "damaged.parquet", "damaged.arrow", "in.txt", "in.parquet.gz"):
        (tmp_path / damaged).write_bytes(b"" if damaged == "empty.csv" else b"damaged")
    before = sorted(tmp_path.iterdir())
    with (
        Registry(service.url, HSW, retries=NEVER) as registry,
        pytest.raises(errors.FileRefused, match=said),
    ):
        predict(registry, tmp_path / name, tmp_path / "out.csv", **options)
    assert service.predicted == []
    assert sorted(tmp_path.iterdir()) == before


def test_an_empty_input_gives_an_empty_output(registry: Registry, tmp_path: Path) -> None:
    for ending in ENDINGS:
        data = write(tmp_path / f"in.{ending}", table(1))
        if ending.startswith("csv"):
            (tmp_path / "in.csv").write_bytes(b"id,x,note")
            data = tmp_path / "in.csv"
        elif not ending.startswith("jsonl"):
            data = write(tmp_path / f"in.{ending}", table(0))
        else:
            data.write_bytes(gzip.compress(b"") if ending.endswith("gz") else b"")
        assert predict(registry, data, tmp_path / "out.parquet").rows == 0
        assert read(tmp_path / "out.parquet") == {"prediction": []}


def test_a_file_changed_while_it_is_read_is_refused(registry: Registry, tmp_path: Path) -> None:
    data = write(tmp_path / "in.csv", table())

    def change(rows: int, end: float, *, resumed: bool) -> None:
        with data.open("ab") as file:
            file.write(b"late,1,\n")

    with pytest.raises(errors.UnfinishedRun, match="was changed while it was read"):
        predict(registry, data, tmp_path / "out.csv", progress=change)
    assert not (tmp_path / "out.csv").exists()


def test_a_second_process_cannot_write_the_same_output(registry: Registry, tmp_path: Path) -> None:
    data, out = write(tmp_path / "in.csv", table()), tmp_path / "out.csv"

    def another(rows: int, end: float, *, resumed: bool) -> None:
        with pytest.raises(errors.UnfinishedRun, match="Another process is writing"):
            predict(registry, data, out, resume=True)

    predict(registry, data, out, progress=another)
    assert len(read(out)["prediction"]) == ROWS


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow"])
def test_files_at_urls_are_read_and_written_through_fsspec(
    registry: Registry, tmp_path: Path, ending: str
) -> None:
    data = write(tmp_path / f"in.{ending}", table())
    predict(registry, data, tmp_path / f"out.{ending}", keep=["id"])
    # fsspec's own name for local files, which it opens as those of any other protocol
    url = f"local://{tmp_path}"

    predict_file(registry, "m", f"{url}/in.{ending}", f"{url}/other.{ending}", keep=["id"])

    written = (tmp_path / f"other.{ending}").read_bytes()
    assert written == (tmp_path / f"out.{ending}").read_bytes()
    assert not list(tmp_path.glob("*.parts"))


def overwritten(content: bytes) -> bytes:
    """``content`` with other bytes in its middle."""
    middle = len(content) // 2
    return content[: middle - 2_000] + b"\xa5" * 4_000 + content[middle + 2_000 :]


@pytest.mark.parametrize("ending", ["parquet", "arrow", "arrows"])
def test_a_file_that_is_damaged_in_its_middle_is_refused(
    registry: Registry, tmp_path: Path, ending: str
) -> None:
    data = write(tmp_path / f"in.{ending}", table())
    data.write_bytes(overwritten(data.read_bytes()))

    with pytest.raises(errors.FileRefused, match=f"in.{ending} is not a readable"):
        predict(registry, data, tmp_path / "out.csv", keep=["id", "note"])

    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("ending", ["csv.gz", "jsonl.gz"])
@pytest.mark.parametrize(
    "damaged",
    [
        lambda content: content[:-20],
        lambda content: content[:-8] + b"CRC?" + content[-4:],
        lambda content: content + b"more",
    ],
    ids=["truncated", "checksum", "extended"],
)
def test_damaged_gzip_is_refused(
    registry: Registry, tmp_path: Path, ending: str, damaged: Callable[[bytes], bytes]
) -> None:
    data = write(tmp_path / f"in.{ending}", table())
    data.write_bytes(damaged(data.read_bytes()))
    with pytest.raises(errors.FileRefused, match="is not a readable gzip file"):
        predict(registry, data, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_texts_whose_offsets_point_outside_their_bytes_are_refused(
    service: Doubler, registry: Registry, tmp_path: Path
) -> None:
    data = tmp_path / "in.arrow"
    offsets = pa.array([0, 2**20, 2], pa.int32()).buffers()[1]
    texts = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"ab")])
    columns = pa.RecordBatch.from_arrays([texts, pa.array([1.0, 2.0])], ["id", "x"])
    with pa.ipc.new_file(data, columns.schema) as writer:
        writer.write_batch(columns)

    with pytest.raises(errors.FileRefused, match="not a readable arrow file"):
        predict(registry, data, tmp_path / "out.csv", keep=["id"])

    assert service.predicted == []


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_only_regular_files_are_read_and_replaced(
    service: Doubler, registry: Registry, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    other = tmp_path / "other.csv"
    make(other)
    data = write(tmp_path / "in.csv", table())
    for source, out in ((other, tmp_path / "out.csv"), (data, other)):
        with pytest.raises(errors.FileRefused, match=r"other\.csv is not a regular file"):
            predict(registry, source, out)
    assert service.requests == []


def test_the_input_is_never_replaced_by_its_own_output(registry: Registry, tmp_path: Path) -> None:
    data = write(tmp_path / "in.csv", table())
    before = data.read_bytes()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to(data)
    for out in (data, tmp_path / "folder" / ".." / "in.csv", tmp_path / "link.csv"):
        with pytest.raises(errors.FileRefused, match="must be another file than the input"):
            predict(registry, data, out)
    assert data.read_bytes() == before


def test_an_output_that_is_a_symbolic_link_replaces_the_file_it_points_at(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target.csv", tmp_path / "link.csv"
    target.write_bytes(b"before")
    link.symlink_to(target)
    predict(registry, write(tmp_path / "in.csv", table()), link)
    assert link.is_symlink()
    assert len(read(target)["prediction"]) == ROWS


def test_kept_json_values_stay_what_they_are_in_json_lines(
    registry: Registry, tmp_path: Path
) -> None:
    row = {"x": 1.5, "id": 7, "ok": True, "tags": ["a", {"b": None}], "none": None, "text": "ü"}
    data = tmp_path / "in.jsonl"
    data.write_text(f"{json.dumps(row)}\n")

    predict(registry, data, tmp_path / "out.jsonl", keep=["*"])
    predict(registry, data, tmp_path / "out.csv", keep=["*"])
    predict(registry, data, tmp_path / "out.parquet", keep=["*"])

    assert json.loads((tmp_path / "out.jsonl").read_text()) == {**row, "prediction": 3.0}
    texts = {
        "x": "1.5",
        "id": "7",
        "ok": "true",
        "tags": '["a", {"b": null}]',
        "none": None,
        "text": "ü",
        "prediction": 3.0,
    }
    assert read(tmp_path / "out.parquet") == {name: [text] for name, text in texts.items()}
    csv_texts = {name: [text or ""] for name, text in texts.items()}
    assert read(tmp_path / "out.csv") == csv_texts


def test_columns_that_a_format_cannot_hold_are_refused_before_a_request(
    service: Doubler, registry: Registry, tmp_path: Path
) -> None:
    spans = pa.array([(1, 2, 3)], pa.month_day_nano_interval())
    data = write(tmp_path / "in.arrows", pa.table({"x": [1.0], "span": spans}))
    with pytest.raises(errors.FileRefused, match="parquet file cannot hold the columns to keep"):
        predict(registry, data, tmp_path / "out.parquet", keep=["span"])
    assert service.predicted == []
    assert [path.name for path in tmp_path.iterdir()] == ["in.arrows"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_name_that_two_columns_have_is_refused(
    registry: Registry, tmp_path: Path, ending: str
) -> None:
    data = tmp_path / f"in.{ending}"
    if ending == "csv":
        data.write_text("x,a,a\n1,b,c\n")
    else:
        cells = [pa.array([1.0]), pa.array(["b"]), pa.array(["c"])]
        pa.parquet.write_table(pa.Table.from_arrays(cells, ["x", "a", "a"]), data)
    with pytest.raises(errors.FileRefused, match="more than one column 'a'"):
        predict(registry, data, tmp_path / "out.csv", keep=["a"])


@pytest.mark.parametrize("largest", [100, 20_000], ids=["part", "joined"])
def test_a_full_disk_is_an_error_that_names_the_file(
    registry: Registry, tmp_path: Path, largest: int
) -> None:
    data, out = write(tmp_path / "in.csv", table()), tmp_path / "out.csv"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        with pytest.raises(OSError, match=r"too large: .*out\.csv\.parts/"):
            predict(registry, data, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not out.exists()

    assert predict(registry, data, out, resume=True).rows == ROWS
    assert len(read(out)["prediction"]) == ROWS


def test_a_late_part_of_another_run_is_not_joined(
    service: Doubler, registry: Registry, tmp_path: Path
) -> None:
    """A worker of a cluster can write after the command was killed and its folder deleted."""
    data, out = write(tmp_path / "in.csv", table()), tmp_path / "out.csv"
    parts = tmp_path / "out.csv.parts"
    service.most = 3
    with pytest.raises(errors.ProblemReply):
        predict(registry, data, out, version=2, keep=["id"])
    late = {path.name: path.read_bytes() for path in parts.glob("*.part")}
    shutil.rmtree(parts)
    service.most = 10**9

    def arrive(rows: int, end: float, *, resumed: bool) -> None:
        for name, content in late.items():
            (parts / name).write_bytes(content)

    predict(registry, data, tmp_path / "expected.csv")
    predict(registry, data, out, progress=arrive)

    assert out.read_bytes() == (tmp_path / "expected.csv").read_bytes()


def test_file_extensions_are_case_insensitive() -> None:
    assert file_type("A.CSV.GZ") == file_type("b.csv.gz")
    assert PATIENT.attempts > chunk_sizes.SPAN_ROWS // chunk_sizes.CHUNK_ROWS
