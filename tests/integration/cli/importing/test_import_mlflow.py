"""Imports from MLflow: what comes, what does not and why, and imports that break off."""

import json
import math
import sqlite3
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from hotswap.retries import NEVER
from tests.integration.cli.conftest import Hotswap, command
from tests.integration.cli.fake_service import Answer, problem, running
from tests.integration.cli.importing.fake_mlflow import (
    FIRST_MADE,
    FakeMlflow,
    Made,
    Registered,
    iris,
    missing,
    write_database,
    write_folder,
)
from tests.integration.cli.importing.importing_registry import ImportingRegistry
from tests.marks import left_to_slow


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMlflow]:
    monkeypatch.setattr("cli.importing.mlflow_server.FIRST_WAIT", 0)
    with running(FakeMlflow) as server:
        yield server


@pytest.fixture(params=["server", "database", "folder"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The registry of ``iris``, in each of its forms."""
    if request.param == "database":
        return f"sqlite:///{write_database(iris(), tmp_path)}"
    if request.param == "folder":
        return str(write_folder(iris(), tmp_path))
    return str(request.getfixturevalue("mlflow").url)


def report_of(hotswap: Hotswap, source: str, *more: str, code: int = 1) -> dict[str, Any]:
    result = hotswap("import", "mlflow", "--from", source, "--json", *(more or ("--yes",)))
    assert result.exit_code == code, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def reasons(report: dict[str, Any]) -> dict[str, str]:
    """Why what was refused was refused, by version or alias of the source."""
    (model,) = report["models"]
    refused = [each for each in [*model["versions"], *model["aliases"]]
               if each["outcome"] == "refused"]  # fmt: skip
    return {each.get("alias") or each["source"]: each["reason"] for each in refused}


def test_everything_that_can_come_comes(
    hotswap: Hotswap, registry: ImportingRegistry, source: str
) -> None:
    report = report_of(hotswap, source)

    first, second, last = registry.versions["iris"]
    assert [each["version"] for each in (first, second, last)] == [1, 2, 5]
    assert (first["description"], first["tags"]) == ("the first", {"data": "old"})
    assert first["metrics"] == {"acc": 0.75, "f1": 0.4}
    assert first["signature"] == {"inputs": [{"name": "a", "type": "number"}]}
    assert (first["input_example"], first["format"]) == ({"a": 1.5}, "skops")
    assert first["environment"] == {"numpy": "2.4.0", "scikit-learn": "1.9.1", "python": "3.11.7"}
    origin = {key: value for key, value in first["lineage"]["mlflow"].items() if key != "model_id"}
    assert origin == {
        "name": "iris", "version": 1, "creation_timestamp": str(FIRST_MADE + 1),
        "source": f"models:/m-{1:032x}", "run_id": f"{1:032x}",
    }  # fmt: skip
    assert registry.described["iris"] == {"description": "Irises", "tags": {"team": "flowers"}}
    assert registry.aliases["iris"] == {"champion": 2, "Blue": 5}

    why = reasons(report)
    assert set(why) == {"4", "broken", "latest"}
    assert "'pytorch'" in why["4"]
    assert "reserved" in why["latest"]
    assert report["complete"] is False
    left_out = report["models"][0]["versions"][1]["left_out"]
    assert left_out == [{"what": "metric loss", "why": "nan is no finite number"}]


def test_a_second_import_changes_nothing(
    hotswap: Hotswap, registry: ImportingRegistry, source: str
) -> None:
    report_of(hotswap, source)
    before = len(registry.requests)

    report = report_of(hotswap, source)

    outcomes = [each["outcome"] for each in report["models"][0]["versions"]]
    assert outcomes == ["present", "present", "refused", "present"]
    assert {each.method for each in registry.requests[before:]} == {"GET"}


def test_a_dry_run_changes_nothing_and_tells_the_plan(
    hotswap: Hotswap, registry: ImportingRegistry, source: str
) -> None:
    report = report_of(hotswap, source, "--dry-run")

    assert {each.method for each in registry.requests} == {"GET"}
    numbers = [(each["outcome"], each["version"]) for each in report["models"][0]["versions"]]
    assert numbers == [("planned", 1), ("planned", 2), ("refused", None), ("planned", 5)]
    text = hotswap("import", "mlflow", "--from", source, "--dry-run").output
    assert "iris 4: not imported: The model's flavor is 'pytorch'" in text


def test_nothing_is_imported_without_a_word(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow
) -> None:
    result = hotswap("import", "mlflow", "--from", mlflow.url)
    assert result.exit_code == 2
    assert "--dry-run" in result.stderr
    assert {each.method for each in registry.requests} == {"GET"}


def test_an_import_that_is_killed_anywhere_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.service.BRIEFLY", NEVER)
    source = str(write_folder(iris(), tmp_path))
    with running(ImportingRegistry) as registry:
        report_of(command(registry), source)
        changes = [number for number, each in enumerate(registry.requests, start=1)
                   if each.method == "POST"]  # fmt: skip
    assert len(changes) == 6
    for number, done in product(changes, (True, False)):
        with running(ImportingRegistry) as registry:
            hotswap = command(registry)
            registry.dies_at, registry.done = number, done
            result = hotswap("import", "mlflow", "--from", source, "--yes")
            assert result.exit_code == 3
            registry.dies_at = None
            report_of(hotswap, source)
            assert [each["version"] for each in registry.versions["iris"]] == [1, 2, 5]
            assert registry.aliases["iris"] == {"champion": 2, "Blue": 5}


def test_an_archived_model_stays_archived(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow
) -> None:
    registry.versions["iris"] = []
    registry.described["iris"] = {"status": "archived"}
    assert "archived" in report_of(hotswap, mlflow.url)["models"][0]["reason"]
    assert {each.method for each in registry.requests} == {"GET"}


def test_numbers_that_are_taken_here_are_told(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow
) -> None:
    registry.add_version("iris")
    registry.aliases["iris"] = {"champion": 1}

    report = report_of(hotswap, mlflow.url)

    assert [each["version"] for each in registry.versions["iris"]] == [1, 2, 3, 5]
    renumbered = [each["renumbered"] for each in report["models"][0]["versions"]]
    assert renumbered == [True, True, False, False]
    assert registry.aliases["iris"] == {"champion": 1, "Blue": 5}
    assert "points at version 1 here" in reasons(report)["champion"]
    kept = {"what": "tag team of the model", "why": "the model exists here, and was not changed"}
    assert kept in report["models"][0]["left_out"]


def test_an_alias_that_is_set_meanwhile_is_not_moved(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow
) -> None:
    registry.between["POST", "promote"] = lambda: registry.aliases.update(iris={"champion": 1})
    report = report_of(hotswap, mlflow.url)
    assert registry.aliases["iris"]["champion"] == 1
    assert "points at 1" in reasons(report)["champion"]


def test_a_version_that_another_uploader_claims_to_be_imported_is_none(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow
) -> None:
    report_of(hotswap, mlflow.url)
    told = registry.versions["iris"][1]["lineage"]
    registry.versions["iris"] = []
    registry.aliases["iris"] = {}
    registry.add_version("iris", lineage=told, created_by="somebody", artifact={"sha256": "0"})

    report_of(hotswap, mlflow.url)

    assert registry.aliases["iris"]["champion"] != 1
    champion = registry.aliases["iris"]["champion"]
    assert next(each for each in registry.versions["iris"] if each["version"] == champion)[
        "tags"
    ] == {"data": "new"}


def test_another_admin_imports_nothing_twice(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow
) -> None:
    report_of(hotswap, mlflow.url)
    registry.actor = "another"
    registry.forget_keys()

    report = report_of(hotswap, mlflow.url)

    outcomes = [each["outcome"] for each in report["models"][0]["versions"]]
    assert outcomes == ["present", "present", "refused", "present"]
    assert [each["version"] for each in registry.versions["iris"]] == [1, 2, 5]


def test_a_refused_file_is_told_and_the_others_come(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow
) -> None:
    refusal = problem(422, "artifact-refused", "The type evil.Thing is not allowed.")
    registry.refusals[b"bytes of 2"] = [refusal]

    report = report_of(hotswap, mlflow.url)

    assert [each["version"] for each in registry.versions["iris"]] == [1, 5]
    assert "evil.Thing" in reasons(report)["2"]
    assert [each["version"] for each in report["models"][0]["versions"]] == [1, None, None, 5]
    assert "was not imported" in reasons(report)["champion"]


def test_a_signature_that_does_not_match_is_left_to_the_model(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow
) -> None:
    faults = [{"at": "signature.inputs[0].name", "message": "the model names this column 'b'"}]
    refusal = problem(422, "metadata-refused", "The signature does not match.", errors=faults)
    registry.refusals[b"bytes of 1"] = [refusal]

    report = report_of(hotswap, mlflow.url)

    assert registry.versions["iris"][0]["version"] == 1
    (left_out,) = report["models"][0]["versions"][0]["left_out"]
    assert left_out["what"] == "signature"
    assert "column 'b'" in left_out["why"]


def test_what_the_service_cannot_hold_is_left_out(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow
) -> None:
    tags = {"ok": "1", "long": "x" * 1001, "nul": "a\x00b", "k" * 201: "v", "": "v"}
    mlflow.models = {
        "with space": Registered([Made(1)]),
        "fine": Registered([
            Made(1, "d" * 10_001, tags, stage="Production"),
            Made(2, status="FAILED_REGISTRATION"),
        ]),
    }  # fmt: skip

    report = report_of(hotswap, mlflow.url)

    spaced, fine = report["models"]
    assert "with space" in spaced["reason"]
    assert registry.versions["fine"][0]["tags"] == {"ok": "1"}
    assert [each["what"] for each in fine["versions"][0]["left_out"]] == [
        "stage Production", "description", "tag long", "tag nul", "tag " + "k" * 201, "tag ",
    ]  # fmt: skip
    assert "hotswap promote fine 1" in fine["versions"][0]["left_out"][0]["why"]
    assert "FAILED_REGISTRATION" in fine["versions"][1]["reason"]
    assert list(registry.versions) == ["fine"]


def test_what_a_database_has_for_nan_and_infinity_is_left_out(
    hotswap: Hotswap, registry: ImportingRegistry, tmp_path: Path
) -> None:
    largest = sys.float_info.max
    made = Made(1, metrics={"a": math.nan, "b": 0.0, "c": largest}, model_metrics={"a": 0.0})
    path = write_database({"iris": Registered([made])}, tmp_path)

    report = report_of(hotswap, f"sqlite:///{path}", code=0)

    assert registry.versions["iris"][0]["metrics"] == {"b": 0.0}
    left_out = report["models"][0]["versions"][0]["left_out"]
    assert [each["why"].split()[0] for each in left_out] == ["nan", "inf"]


def test_one_model_can_be_chosen(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow
) -> None:
    mlflow.models = {name: Registered([Made(1)]) for name in ("a", "b", "c")}
    report_of(hotswap, mlflow.url, "--model", "b", "--model", "c", "--yes", code=0)
    assert list(registry.versions) == ["b", "c"]
    result = hotswap("import", "mlflow", "--from", mlflow.url, "--model", "d", "--dry-run")
    assert (result.exit_code, "has no model 'd'" in result.stderr) == (2, True)


def test_prompts_are_no_models(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow
) -> None:
    mlflow.models = {"p": Registered([], tags={"mlflow.prompt.is_prompt": "true"})}
    assert report_of(hotswap, mlflow.url, code=0)["models"] == []


def test_only_an_admin_imports(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow
) -> None:
    registry.scopes = ["upload", "promote"]
    result = hotswap("import", "mlflow", "--from", mlflow.url, "--dry-run")
    assert (result.exit_code, mlflow.requests) == (1, [])
    assert "scope admin" in result.stderr


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
        ({"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}, "Basic dTpw"),
        ({"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_TOKEN": "t"}, "Basic dTo="),
    ],
)
def test_the_server_is_called_with_the_credentials_of_mlflow(
    hotswap: Hotswap, mlflow: FakeMlflow, given: dict[str, str], sent: str
) -> None:
    hotswap("import", "mlflow", "--from", mlflow.url, "--dry-run", env=given)
    assert {each.headers["Authorization"] for each in mlflow.requests} == {sent}


SEARCH = ("GET", "/api/2.0/mlflow/registered-models/search")
FILE = ("GET", "/model-versions/get-artifact")


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (Answer(302, b"moved", {"Location": "http://elsewhere.example/"}), 1, "not followed"),
        (Answer(401, {"message": "no"}), 1, "MLFLOW_TRACKING_USERNAME"),
        (Answer(200, b"<html>"), 1, "is it an MLflow server"),
        (Answer(200, b"[" * 200_000), 1, "is it an MLflow server"),
        (Answer(200, {"registered_models": "x"}), 1, "no list"),
        (Answer(200, {"registered_models": [], "next_page_token": "x"}), 1, "is empty"),
        (Answer(200, {"registered_models": [{"name": "a b"}] * 2}), 1, "'a b' twice"),
        (Answer(200, b"{}", {"Content-Encoding": "gzip"}), 1, "compresses"),
        (Answer(404, {"message": "gone"}), 1, "gone"),
    ],
    ids=["redirect", "401", "html", "nested", "no list", "endless", "twice", "gzip", "404"],
)
def test_a_server_that_is_none_is_refused(
    hotswap: Hotswap, mlflow: FakeMlflow, answer: Answer, code: int, said: str
) -> None:
    mlflow.script(*SEARCH, answer)
    result = hotswap("import", "mlflow", "--from", mlflow.url, "--dry-run")
    assert result.exit_code == code, result.output
    assert said in result.stderr


def test_endless_lists_are_refused(
    hotswap: Hotswap, mlflow: FakeMlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.importing.mlflow_server.MAX_VERSIONS", 3)
    mlflow.models = {f"m{number}": Registered([]) for number in range(4)}
    result = hotswap("import", "mlflow", "--from", mlflow.url, "--dry-run")
    assert result.exit_code == 1
    assert "lists more than" in result.stderr


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (missing("No such artifact"), "No such artifact"),
        (Answer(500, {"message": "no credentials of S3"}), "no credentials of S3"),
        (Answer(200, b"x" * 2_000_000), "more than 1.0 MB"),
        (Answer(200, b"flavors: {sklearn: {pickled_model: ../../etc/passwd}}"), "without a path"),
        (Answer(200, b"[" * 300_000), "nested"),
    ],
    ids=["missing", "unreadable", "huge", "traversal", "nested"],
)
def test_files_that_cannot_be_read_are_told(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow, answer: Answer, said: str
) -> None:
    mlflow.script(*FILE, answer)
    report = report_of(hotswap, mlflow.url, "--yes", "--max-mb", "1")
    assert said in reasons(report)["1"]
    assert registry.versions == {}


def test_a_server_that_stops_is_told_and_the_import_continued(
    hotswap: Hotswap, registry: ImportingRegistry, mlflow: FakeMlflow
) -> None:
    mlflow.script(*FILE, Answer(0))
    result = hotswap("import", "mlflow", "--from", mlflow.url, "--yes")
    assert result.exit_code == 3
    mlflow._scripted.clear()
    report_of(hotswap, mlflow.url)
    assert len(registry.versions["iris"]) == 3


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("/etc", "not below"),
        ("file:///etc", "not below"),
        ("file:///1/../../../etc", "'..'"),
        ("s3://bucket/1/models/none/artifacts", "not below"),
        ("dbfs:/x", "not below"),
        ("runs:/0123/model", "0123"),
        ("http://[", "no URI"),
        ("file:///x%00", "not below"),
        left_to_slow(("1/" * 3_000, "not below")),
        ("x" * 300, "not below"),
    ],
)
def test_nothing_outside_the_folders_is_read(
    hotswap: Hotswap, tmp_path: Path, location: str, said: str
) -> None:
    path = write_folder({"iris": Registered([Made(1, location=location)])}, tmp_path)
    assert said in reasons(report_of(hotswap, str(path)))["1"]


@pytest.mark.parametrize("write", [write_database, write_folder])
def test_a_link_to_outside_is_not_followed(hotswap: Hotswap, tmp_path: Path, write: Any) -> None:
    path = write({"iris": Registered([Made(1)])}, tmp_path)
    (tmp_path / "secret").write_text("secret")
    (model,) = tmp_path.glob("mlruns/1/models/*/artifacts/model.skops")
    model.unlink()
    model.symlink_to(tmp_path / "secret")
    source = f"sqlite:///{path}" if path.suffix == ".db" else str(path)
    assert "link to outside" in reasons(report_of(hotswap, source))["1"]


@pytest.mark.parametrize("write", [write_database, write_folder])
def test_a_link_to_itself_is_no_file(hotswap: Hotswap, tmp_path: Path, write: Any) -> None:
    path = write({"iris": Registered([Made(1), Made(2)])}, tmp_path)
    first, _ = sorted(tmp_path.glob("mlruns/1/models/*/artifacts/model.skops"))
    first.unlink()
    first.symlink_to(first)
    source = f"sqlite:///{path}" if path.suffix == ".db" else str(path)
    (reason,) = reasons(report_of(hotswap, source)).values()
    assert "is missing" in reason


def test_a_tag_that_is_a_link_to_itself_ends_the_import(hotswap: Hotswap, tmp_path: Path) -> None:
    path = write_folder({"iris": Registered([Made(1)])}, tmp_path)
    tag = path / "models" / "iris" / "tags" / "loop"
    tag.symlink_to(tag)
    result = hotswap("import", "mlflow", "--from", str(path), "--yes")
    assert (result.exit_code, "is no file of" in result.stderr) == (1, True), result.output


def test_names_that_are_no_text_are_reported(hotswap: Hotswap, mlflow: FakeMlflow) -> None:
    mlflow.models = {
        "\udcff\x1b[31m": Registered([Made(1)]),
        "iris": Registered([Made(1)], tags={"\ud800": "x"}, aliases={"\udfff": 1}),
    }
    report = report_of(hotswap, mlflow.url)
    other, model = report["models"]
    assert other["model"] == "\udcff\x1b[31m"
    assert [each["what"] for each in model["left_out"]] == ["tag \ud800"]
    assert [each["outcome"] for each in model["versions"]] == ["imported"]
    result = hotswap("import", "mlflow", "--from", mlflow.url, "--dry-run")
    assert (result.exit_code, "\\udcff\\x1b[31m" in result.stdout) == (1, True)


@pytest.mark.parametrize("write", [write_database, write_folder])
@pytest.mark.parametrize(
    "location", ["runs:/{run}/artifacts", "s3://b/old/mlruns/1/models/{model}/artifacts"]
)
def test_artifacts_that_were_moved_are_found(
    hotswap: Hotswap, registry: ImportingRegistry, tmp_path: Path, write: Any, location: str
) -> None:
    made = Made(1)
    made.location = location.format(run=made.run_id, model=made.model_id)
    path = write({"iris": Registered([made])}, tmp_path)
    if write is write_folder:
        meta = path / "1" / made.run_id / "meta.yaml"
        meta.write_text(f"artifact_uri: /gone/1/models/{made.model_id}\n")
    moved = tmp_path / "elsewhere"
    (tmp_path / "mlruns/1/models").rename(tmp_path / "taken")
    moved.joinpath("1").mkdir(parents=True)
    (tmp_path / "taken").rename(moved / "1" / "models")
    source = f"sqlite:///{path}" if path.suffix == ".db" else str(path)

    report_of(hotswap, source, "--yes", "--artifacts", str(moved), code=0)

    assert len(registry.versions["iris"]) == 1


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("sqlite:///none.db", "no file"),
        ("none", "neither"),
        ("postgresql://host/mlflow", "neither"),
        ("http://user:password@host", "must not contain"),
        (".", "no registry of MLflow"),
    ],
)
def test_a_source_that_is_none_is_wrong_usage(
    hotswap: Hotswap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = hotswap("import", "mlflow", "--from", source)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_database_of_something_else_is_refused(hotswap: Hotswap, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE registered_models (name)")
    database.close()
    result = hotswap("import", "mlflow", "--from", f"sqlite:///{path}", "--dry-run")
    assert (result.exit_code, "no table model_versions" in result.stderr) == (1, True)
    with sqlite3.connect(path) as database:
        database.executescript(
            "CREATE TABLE model_versions (name); INSERT INTO model_versions VALUES ('iris');"
            "CREATE TABLE registered_model_tags (name, key, value);"
            "CREATE TABLE model_version_tags (name, version, key, value);"
            "INSERT INTO registered_models VALUES ('iris')"
        )
    database.close()
    result = hotswap("import", "mlflow", "--from", f"sqlite:///{path}", "--dry-run")
    assert (result.exit_code, "expected a number" in result.stderr) == (1, True), result.output
    path.write_text("not a database")
    result = hotswap("import", "mlflow", "--from", f"sqlite:///{path}", "--dry-run")
    assert (result.exit_code, "cannot be read" in result.stderr) == (1, True)


def test_a_view_that_never_ends_is_stopped(
    hotswap: Hotswap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.importing.mlflow_database._MOST_CALLS", 2)
    path = write_database({}, tmp_path)
    with sqlite3.connect(path) as database:
        database.executescript(
            "DROP TABLE model_versions; CREATE TABLE model_versions (x);"
            "DROP TABLE registered_models; CREATE TABLE registered_models_ (x);"
            "CREATE VIEW registered_models AS WITH RECURSIVE n(name) AS "
            "(SELECT 1 UNION ALL SELECT name + 1 FROM n) SELECT max(name) AS name FROM n;"
        )
    database.close()
    result = hotswap("import", "mlflow", "--from", f"sqlite:///{path}", "--dry-run")
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr or "no table" in result.stderr
