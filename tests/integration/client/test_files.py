"""A file predicted to a file: every format, kept columns, and faults by row."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from hotswap import Registry, errors, predict_file
from hotswap.files import rows as chunk_sizes
from hotswap.files import text
from hotswap.files.formats import file_type
from hotswap.files.run import PATIENT
from hotswap.retries import NEVER
from tests.integration.cli.fake_service import HSW
from tests.integration.client.doubler import (
    ENDINGS,
    ROWS,
    SIGNATURE,
    Doubler,
    as_text,
    predict,
    read,
    table,
    write,
)

pytestmark = pytest.mark.usefixtures("small_chunks")
EACH_ENDING = pytest.mark.parametrize(
    "ending",
    [
        ending
        if ending in {"csv.gz", "jsonl", "parquet"}
        else pytest.param(ending, marks=pytest.mark.slow)
        for ending in ENDINGS
    ],
)


@pytest.fixture
def service(doubler: Doubler) -> Doubler:
    return doubler


@EACH_ENDING
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


@EACH_ENDING
def test_each_format_is_written_with_the_kept_columns_first(
    registry: Registry, tmp_path: Path, ending: str
) -> None:
    data = write(tmp_path / "in.parquet", table())

    predict(registry, data, tmp_path / f"out.{ending}", keep=["*"])

    found = read(tmp_path / f"out.{ending}")
    assert list(found) == ["id", "x", "note", "prediction"]
    assert found["id"] == table()["id"].to_pylist()
    assert found["prediction"] == [2 * x for x in table()["x"].to_pylist()]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_scores_of_a_detector_are_a_column(
    service: Doubler, registry: Registry, tmp_path: Path, ending: str
) -> None:
    output = {"name": "y", "type": "integer", "classes": [-1, 1]}
    service.versions["m"][0]["signature"] = {**SIGNATURE, "output": output}
    data = write(tmp_path / "in.parquet", table())

    predict(registry, data, tmp_path / f"out.{ending}", scores=True)

    found = read(tmp_path / f"out.{ending}")
    assert list(found) == ["prediction", "score"]
    assert list(map(float, found["score"])) == [-x for x in table()["x"].to_pylist()]


@EACH_ENDING
def test_a_refused_row_is_named_by_its_number_in_the_file(
    registry: Registry, tmp_path: Path, ending: str
) -> None:
    rows = table().to_pylist()
    for number in (577, 790):
        rows[number]["x"] = -1.0
    data = write(tmp_path / f"in.{ending}", pa.Table.from_pylist(rows, table().schema))
    with pytest.raises(errors.Refused) as caught:
        predict(registry, data, tmp_path / "out.csv", keep=["id"])
    place = "instances" if "jsonl" in ending else "rows"
    assert caught.value.errors[0].at == f"{place}[577].x"
    assert f"{place}[577].x" in str(caught.value)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_row_above_the_limit_of_a_body_is_named(
    service: Doubler, registry: Registry, tmp_path: Path, ending: str
) -> None:
    rows = table().to_pylist()
    rows[577]["note"] = "a" * 5_000
    data = write(tmp_path / f"in.{ending}", pa.Table.from_pylist(rows, table().schema))
    service.largest = 4_000

    with pytest.raises(errors.TooLarge, match=r"^rows\[577\] is too large.*At most 4000") as caught:
        predict(registry, data, tmp_path / "out.csv")
    assert caught.value.errors[0].at == "rows[577]"

    service.largest = 5_300
    assert predict(registry, data, tmp_path / "out.csv", resume=True).rows == ROWS


@pytest.mark.parametrize("ending", ["csv", "jsonl.gz"])
def test_a_row_that_does_not_end_is_named(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(text, "LARGEST", 10_000)
    content = as_text(ending, table().to_pylist()) + b'{"x": "' + b"a" * 20_000
    data = tmp_path / f"in.{ending}"
    data.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    with pytest.raises(
        errors.FileRefused, match=rf"in.{ending}: from row {ROWS} on there is no end"
    ):
        predict(registry, data, tmp_path / "out.csv")


@pytest.mark.parametrize("line", [b'{"x": 1\n', b'{"x": 1}, {"x": 2}\n'])
def test_a_line_that_is_not_json_is_named(registry: Registry, tmp_path: Path, line: bytes) -> None:
    lines = as_text("jsonl", table().to_pylist()).splitlines(keepends=True)
    data = tmp_path / "in.jsonl"
    data.write_bytes(b"".join([*lines[:599], line, *lines[599:]]))
    with pytest.raises(errors.FileRefused, match="row 599 is not JSON"):
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
        ("in.parquet", {"scores": True}, "detects no outliers, so has no scores"),
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


def test_file_extensions_are_case_insensitive() -> None:
    assert file_type("A.CSV.GZ") == file_type("b.csv.gz")
    assert PATIENT.attempts > chunk_sizes.SPAN_ROWS // chunk_sizes.CHUNK_ROWS
