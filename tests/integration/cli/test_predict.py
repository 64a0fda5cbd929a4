"""``hotswap predict``: values with the types of the signature, and files unchanged."""

import json
import re
import resource
from pathlib import Path

import pytest

from cli.predicted_file import FileProgress
from cli.typed_values import typed_value
from hotswap.files import text as text_files
from hotswap.replies import Column
from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import Answer, FakeService, problem


@pytest.fixture(autouse=True)
def housing(service: FakeService) -> None:
    service.add_version("housing")
    service.aliases["housing"] = {"production": 1}


@pytest.mark.parametrize(
    ("text", "type_", "nullable", "value"),
    [
        ("12", "string", False, "12"),
        ("true", "string", False, "true"),
        ("NEAR BAY", "string", False, "NEAR BAY"),
        ('"NEAR BAY"', "string", False, "NEAR BAY"),
        ('say "hi"', "string", False, 'say "hi"'),
        ("null", "string", False, "null"),
        ("null", "string", True, None),
        ("", "string", True, ""),
        ("", "number", True, None),
        ("", "number", False, ""),
        ("12", "number", False, 12),
        ("-1e3", "number", False, -1000.0),
        (".5", "number", False, 0.5),
        ("007", "integer", False, 7.0),
        ("NaN", "number", False, "NaN"),
        ("inf", "number", False, "inf"),
        ("1_000", "number", False, "1_000"),
        ("true", "number", False, "true"),
        ("many", "number", False, "many"),
        ("yes", "boolean", False, True),
        ("False", "boolean", False, False),
        ("1", "boolean", False, True),
        ("maybe", "boolean", False, "maybe"),
    ],
)
def test_values_are_parsed_by_the_type_of_their_column(
    text: str, type_: str, nullable: bool, value: object
) -> None:
    column = Column(name="c", type=type_, nullable=nullable)
    read = typed_value(text, column)
    assert (read, type(read)) == (value, type(value))


def test_a_record_is_sent_with_the_types_of_the_signature(
    hotswap: Hotswap, service: FakeService
) -> None:
    result = hotswap(
        "predict", "housing", "rooms=3.5", "zip=01234", "new=yes", "floors=2", "note=x=y", "more=1"
    )
    assert result.stdout == "452600.0\n"
    assert result.stderr == "housing version 1\n"
    (received,) = service.of("POST", "/models/housing/predict")
    assert received.json == {
        "rooms": 3.5,
        "zip": "01234",
        "new": True,
        "floors": 2,
        "note": "x=y",
        "more": 1,
    }


def test_the_requested_version_predicts(hotswap: Hotswap, service: FakeService) -> None:
    hotswap("predict", "housing/1", "rooms=3")
    assert len(service.of("POST", "/models/housing/1/predict")) == 1


def test_without_read_access_values_are_parsed_as_json(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.script("GET", "/models/housing/production", problem(403, "scope-missing", "No."))
    assert hotswap("predict", "housing", "zip=12", "rooms=many").exit_code == 0
    assert service.requests[-1].json == {"zip": 12, "rooms": "many"}


def test_json_prints_the_whole_reply(hotswap: Hotswap) -> None:
    result = hotswap("predict", "housing", "rooms=3", "--json")
    assert result.stderr == ""
    assert '"version": 1' in result.stdout


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("rows.csv", "text/csv"),
        ("ROWS.CSV", "text/csv"),
        ("rows.parquet", "application/vnd.apache.parquet"),
    ],
)
def test_a_file_is_sent_unchanged_and_prints_one_prediction_per_line(
    hotswap: Hotswap, service: FakeService, tmp_path: Path, name: str, content_type: str
) -> None:
    file = tmp_path / name
    file.write_bytes(b"rooms\n1\n2\n")
    result = hotswap("predict", "housing", "--data", str(file))
    assert result.stdout == "1.5\n2.5\n"
    assert service.requests[-1].headers["Content-Type"] == content_type
    assert service.requests[-1].body == b"rooms\n1\n2\n"


@pytest.mark.parametrize(
    ("stdin", "content_type", "body"),
    [
        (b"rooms\n1\n", "text/csv", b"rooms\n1\n"),
        (b' {"rooms":1}', "application/json", b' {"rooms":1}'),
        (b'[{"rooms":1}]', "application/json", b'{"instances":[{"rooms":1}]}'),
        (b"PAR1xPAR1", "application/vnd.apache.parquet", b"PAR1xPAR1"),
    ],
)
def test_the_format_of_stdin_is_detected_from_its_beginning(
    hotswap: Hotswap, service: FakeService, stdin: bytes, content_type: str, body: bytes
) -> None:
    assert hotswap("predict", "housing", "--data", "-", stdin=stdin).exit_code == 0
    assert service.requests[-1].headers["Content-Type"] == content_type
    assert service.requests[-1].body == body


def test_empty_data_is_wrong_usage(hotswap: Hotswap, tmp_path: Path) -> None:
    assert hotswap("predict", "housing", "--data", "-", stdin=b" \n").exit_code == 2
    (tmp_path / "a.csv").touch()
    assert hotswap("predict", "housing", "--data", str(tmp_path / "a.csv")).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["rooms=1"], ["452600.0\tcheap=0.25 dear=0.75"]),
        (["--data", "-"], ["1.5\tcheap=0.25 dear=0.75", "2.5\tcheap=0.25 dear=0.75"]),
    ],
)
def test_probabilities_are_printed_beside_their_prediction(
    hotswap: Hotswap, arguments: list[str], lines: list[str]
) -> None:
    result = hotswap("predict", "housing", "--probabilities", *arguments, stdin=b"rooms\n1\n2\n")
    assert result.stdout.splitlines() == lines


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["rooms=1"], ["452600.0\tscore=-0.25"]),
        (["--data", "-"], ["1.5\tscore=0.5", "2.5\tscore=-0.25"]),
    ],
)
def test_scores_are_printed_beside_their_prediction(
    hotswap: Hotswap, arguments: list[str], lines: list[str]
) -> None:
    result = hotswap("predict", "housing", "--scores", *arguments, stdin=b"rooms\n1\n2\n")
    assert result.stdout.splitlines() == lines


CSV = {"Content-Type": "text/csv; charset=utf-8", "X-Model-Version": "2"}


def test_predictions_are_printed_as_csv(
    hotswap: Hotswap, service: FakeService, tmp_path: Path
) -> None:
    reply = 'city,prediction\r\n"a,b",1.5\r\n'
    service.script("POST", "/models/housing/predict", Answer(200, reply.encode(), CSV))
    (tmp_path / "rows.csv").write_text("city\na\n")
    arguments = ["predict", "housing", "--data", str(tmp_path / "rows.csv"), "--out", "-"]

    result = hotswap(*arguments, "--keep", "*", "--probabilities")

    assert result.stdout_bytes.decode() == reply
    assert result.stderr == "housing version 2\n"
    (received,) = service.requests
    assert (received.headers["Accept"], received.body) == ("text/csv", b"city\na\n")
    assert received.query == {"probabilities": ["true"], "with_inputs": ["true"]}
    assert hotswap(*arguments).stdout_bytes.decode() == reply
    assert service.requests[1].query == {}


def test_an_unknown_model_exits_1(hotswap: Hotswap) -> None:
    result = hotswap("predict", "other", "rooms=1")
    assert result.exit_code == 1
    assert "no such version" in result.stderr


def test_a_file_is_predicted_to_a_file(
    hotswap: Hotswap, service: FakeService, tmp_path: Path
) -> None:
    service.versions["housing"][0]["signature"]["inputs"] = [{"name": "rooms", "type": "number"}]
    (tmp_path / "rows.csv").write_bytes(b"id,rooms\na,1\nb,2\n")
    arguments = ["predict", "housing", "--data", str(tmp_path / "rows.csv"), "--keep", "id"]

    result = hotswap(*arguments, "--out", str(tmp_path / "out.csv"))

    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    assert "out.csv: 2 rows, housing version 1, " in result.stderr
    assert (tmp_path / "out.csv").read_bytes() == b"id,prediction\na,1.5\nb,2.5\n"
    reported = json.loads(
        hotswap(*arguments, "--out", str(tmp_path / "out.jsonl"), "--json").stdout
    )
    assert (reported["version"], reported["rows"]) == (1, 2)


def test_a_disk_that_is_full_when_parts_are_joined_exits_2_and_what_is_done_is_kept(
    hotswap: Hotswap, service: FakeService, tmp_path: Path
) -> None:
    service.versions["housing"][0]["signature"]["inputs"] = [{"name": "rooms", "type": "number"}]
    long = "a" * 10_000  # so that the part and the output are larger than the run's description
    (tmp_path / "rows.csv").write_text(f"id,rooms\n{long},1\n{long},2\n")
    out = tmp_path / "out.csv"
    command = ["predict", "housing", "--data", str(tmp_path / "rows.csv"), "--keep", "id"]
    command += ["--out", str(out), "--resume"]
    assert hotswap(*command).exit_code == 0
    expected = out.read_bytes()
    out.unlink()

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(expected) - 1, before[1]))
    try:
        result = hotswap(*command)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert result.exit_code == 2
    assert "out.csv.parts/joined: File too large" in result.stderr
    assert "Run the command again with --resume" in result.stderr
    assert not out.exists()
    assert hotswap(*command).exit_code == 0
    assert out.read_bytes() == expected


@pytest.fixture
def two_rows_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lines of one digit."""
    monkeypatch.setattr(text_files, "BLOCK", len("1\n2\n"))


@pytest.mark.usefixtures("two_rows_a_chunk")
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "Run the command again with --resume"),
        (404, "out.csv.parts to start again with another version"),
    ],
)
def test_a_run_that_ends_early_says_how_to_go_on(
    hotswap: Hotswap,
    service: FakeService,
    tmp_path: Path,
    status: int,
    said: str,
) -> None:
    service.versions["housing"][0]["signature"]["inputs"] = [{"name": "rooms", "type": "number"}]
    (tmp_path / "rows.csv").write_bytes(b"rooms\n1\n2\n3\n4\n")
    out = tmp_path / "out.csv"
    path = "/models/housing/1/predict"
    first = Answer(200, {"model": "housing", "version": 1, "predictions": [1.5, 2.5]})
    for following in (first, problem(status, "refused", "No longer.")):
        service.script_next("POST", path, following)
    command = ["predict", "housing", "--data", str(tmp_path / "rows.csv"), "--out", str(out)]

    result = hotswap(*command, "--in-flight", "1")

    assert result.exit_code == 1
    assert said in result.stderr
    assert len(list((tmp_path / "out.csv.parts").glob("*.part"))) == 1
    assert hotswap(*command, "--resume").exit_code == 0
    assert out.read_bytes() == b"prediction\n1.5\n2.5\n1.5\n2.5\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "out.csv"], "Give COLUMN=VALUE or --data FILE"),
        (["--data", "-", "--out", "out.csv"], "--out requires --data FILE"),
        (["--data", "rows.csv", "--resume"], "require --out FILE"),
        (["--data", "rows.csv", "--out", "-", "--json"], "--out - excludes --json"),
        (["--data", "rows.csv", "--out", "-", "--keep", "id"], "and --keep COLUMN"),
        (["--data", "rows.csv", "--keep", "id"], "require --out FILE"),
        (["--data", "rows.txt", "--out", "out.csv"], "must end in one of .csv"),
        (["--data", "rows.csv", "--out", "out.csv"], "rows.csv: No such file"),
    ],
)
def test_incompatible_options_for_files_are_wrong_usage(
    hotswap: Hotswap, arguments: list[str], said: str
) -> None:
    result = hotswap("predict", "housing", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_progress_shows_rows_per_second_and_the_remaining_time() -> None:
    progress = FileProgress()
    progress(1_000, 0.2, resumed=True)
    progress(1_000, 0.4, resumed=False)
    assert re.fullmatch(r"2,000 rows, [\d,]+ rows/s, 0:00 left", progress.line())
    assert (progress.rows, progress.resumed) == (1_000, 1_000)
