"""``hotswap doctor`` on real data directories, intact and damaged."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from cli.main import main
from registry.blobs.local import LocalBlobStore
from registry.doctor.checks import examine
from registry.doctor.findings import Finding, Installation
from registry.engines import chain_program, forest
from registry.errors import DatabaseUnavailable
from registry.operations.promote import PromotionRequest, promote
from registry.storage.database import Database
from registry.storage.schema import HEAD
from registry.watching.heartbeat import Heartbeat
from tests.factories import add_versions, ungated
from tests.fakes import Preparer
from tests.integration.watching.serving_since import serve_since


@pytest.fixture
def data(tmp_path: Path, sqlite_template: Path) -> Path:
    """A data directory with two versions, whose bytes are there; the first is live."""
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(sqlite_template, folder / "registry.db")
    database = Database(f"sqlite:///{folder / 'registry.db'}")
    with LocalBlobStore(folder / "blobs").stage(100) as blob:
        blob.write(b"an artifact")
        digest = blob.keep()
    add_versions(database, "house", ["ready"] * 2, sha256=digest, compiled={"onnx": digest})
    promote(
        database, Preparer(), "house", "1", PromotionRequest(actor="ann"), evaluate_gates=ungated
    )
    database.dispose()
    return folder


def doctor(data: Path, *arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(
        main, ["doctor", *arguments], env={"HOTSWAP_DATA": str(data), **environment}
    )


def found(data: Path, exit_code: int) -> dict[str, dict[str, Any]]:
    """The last finding of each check."""
    result = doctor(data, "--json")
    assert result.exit_code == exit_code, result.output
    said = json.loads(result.stdout)
    assert said["ok"] is (exit_code == 0)
    return {finding["check"]: finding for finding in said["findings"]}


def test_doctor_accepts_a_data_directory(data: Path, tmp_path: Path) -> None:
    """As docs/backup.md says of every command that works on the data directory itself."""
    elsewhere = {"HOTSWAP_DATA": str(tmp_path / "nowhere")}

    result = doctor(data, "--scrub", "--data", str(data), "--json", **elsewhere)

    assert result.exit_code == 0, result.output
    scrubbed = [one for one in json.loads(result.stdout)["findings"] if one["check"] == "scrub"]
    assert "1 blobs were read and are intact" in scrubbed[0]["message"]


def execute(data: Path, statement: str) -> None:
    database = Database(f"sqlite:///{data / 'registry.db'}")
    with database.write() as session:
        session.execute(text(statement))
    database.dispose()


def test_doctor_lists_every_check_of_a_working_installation(data: Path) -> None:
    result = doctor(data)

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].split() == ["CHECK", "RESULT", "FOUND"]
    assert "scikit-learn 1." in result.stdout
    assert "onnxruntime 1." in result.stdout
    assert "the history is valid, up to event 1" in result.stdout
    assert "the files of 2 versions exist" in result.stdout
    assert "house/1 (production) is served by ONNX Runtime" in result.stdout
    assert "fault" not in result.stdout


@pytest.mark.parametrize(
    ("forms", "engine", "there"),
    [
        ([], "scikit-learn", False),
        (["onnx", "columns", "forest"], "the C kernel", forest.AVAILABLE),
        (["onnx", "columns", "linear"], "the C kernel of linear models", chain_program.AVAILABLE),
    ],
)
def test_doctor_names_the_engine_of_each_live_version(
    data: Path, forms: list[str], engine: str, *, there: bool
) -> None:
    compiled = json.dumps(dict.fromkeys(forms, "0" * 64))
    execute(data, f"UPDATE versions SET compiled = '{compiled}'")

    reported = found(data, 1 if forms else 0)["engine"]  # what was compiled is not there

    fallback = "ONNX Runtime" if forms else "scikit-learn"
    assert reported["message"].endswith(f"is served by {engine if there else fallback}")
    assert reported["result"] == ("ok" if there else "warning")


def test_doctor_names_the_engine_of_an_uploaded_onnx_file(data: Path) -> None:
    execute(data, "UPDATE versions SET format = 'onnx', compiled = '{}'")

    reported = found(data, 0)["engine"]

    assert reported["message"].endswith("is served by ONNX Runtime in a confined process")
    assert reported["result"] == "ok"


def test_doctor_names_the_kernel_of_trees(data: Path) -> None:
    kernel = found(data, 0)["kernel"]

    assert kernel["result"] == ("ok" if forest.AVAILABLE else "warning")
    assert ("is built" in kernel["message"]) is forest.AVAILABLE


def test_doctor_names_the_engine_of_each_version_of_a_split(data: Path) -> None:
    execute(data, "UPDATE aliases SET split_by = 'header', split_salt = randomblob(16)")
    arms = ", ".join(
        f"('house', 'production', {number}, 5000, '[[{number}, {number}]]')" for number in (1, 2)
    )
    execute(data, f"INSERT INTO alias_arms (model, alias, number, weight, ranges) VALUES {arms}")

    findings = json.loads(doctor(data, "--json").stdout)["findings"]

    engines = [one["message"] for one in findings if one["check"] == "engine"]
    assert [message.partition(" is ")[0] for message in engines] == [
        "house/1 (production)",
        "house/2 (production)",
    ]


def test_an_alias_with_a_reserved_name_is_a_warning(data: Path) -> None:
    execute(data, "UPDATE aliases SET name = 'Watch'")

    reported = found(data, 0)["aliases"]

    assert reported["result"] == "warning"
    assert reported["message"] == "the alias 'Watch' of house has a name that is reserved"
    assert "/models/house/Watch may become" in reported["advice"]


def test_missing_bytes_are_a_fault_that_names_the_version(data: Path) -> None:
    shutil.rmtree(data / "blobs")

    blobs = found(data, 1)["blobs"]

    assert blobs["result"] == "fault"
    assert blobs["message"] == "version 2 of house lacks its artifact, onnx"
    assert "backup" in blobs["advice"]


def test_a_live_version_that_cannot_be_loaded_is_a_fault(data: Path) -> None:
    (blob,) = (data / "blobs").glob("??/*")
    blob.unlink()

    live = found(data, 1)["live"]

    assert live["result"] == "fault"
    assert live["message"].startswith("house/1 (production) cannot be loaded: The bytes ")
    assert "uploaded again" in live["advice"]


def test_a_modified_history_is_a_fault(data: Path) -> None:
    execute(data, "UPDATE history SET actor = 'nobody'")

    assert found(data, 1)["history"]["message"] == "Event 1 was changed after it was written."


def test_a_database_of_another_release_is_a_fault_and_is_not_changed(data: Path) -> None:
    execute(data, "UPDATE alembic_version SET version_num = '9999'")

    findings = found(data, 1)

    assert "schema 9999" in findings["schema"]["message"]
    assert "history" not in findings


def test_a_file_that_is_not_a_database_is_a_fault_without_a_traceback(data: Path) -> None:
    (data / "registry.db").write_bytes(b"no database" * 1000)

    assert "not an SQLite database" in found(data, 1)["schema"]["place"]


def test_a_damaged_page_is_a_fault_without_a_traceback(data: Path) -> None:
    file = data / "registry.db"
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)

    assert doctor(data, "--json").exit_code == 1
    assert not json.loads(doctor(data, "--json").stdout)["ok"]


def test_doctor_creates_nothing_in_an_empty_directory(tmp_path: Path) -> None:
    data = tmp_path / "later"

    findings = found(data, 0)

    assert "will be created" in findings["data"]["message"]
    assert not data.exists()


def test_a_data_directory_that_is_a_file_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")

    assert found(file, 1)["data"]["message"] == "the data directory is a file"


def test_a_foreign_folder_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.jpeg").touch()

    said = found(tmp_path, exit_code=1)["data"]

    assert said["result"] == "fault"
    assert "contains no registry, but other files (a.jpeg)" in said["place"]


def test_paths_readable_by_other_users_are_reported(data: Path) -> None:
    for path in (data, *data.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert found(data, 0)["modes"]["result"] == "ok"
    (data / "registry.db").chmod(0o640)

    modes = found(data, 0)["modes"]

    assert modes["result"] == "warning"
    assert modes["place"] == str(data / "registry.db")
    assert modes["message"] == "a path in the data directory is accessible to other users"


def test_an_invalid_setting_is_wrong_usage(data: Path) -> None:
    assert doctor(data, HOTSWAP_WORKERS="many").exit_code == 2
    assert doctor(data, HOTSWAP_DATABASE_URL="mysql://x/y").exit_code == 2


def test_doctor_help_has_an_example_and_imports_nothing_it_does_not_need() -> None:
    result = CliRunner().invoke(main, ["doctor", "--help"])

    assert "Example:\n    hotswap doctor" in result.stdout
    assert "--json" in result.stdout


def test_a_check_that_cannot_run_is_a_fault_and_the_others_continue(tmp_path: Path) -> None:
    def check_this(_: Installation) -> list[Finding]:
        raise DatabaseUnavailable

    def check_that(_: Installation) -> list[Finding]:
        raise PermissionError(13, "Permission denied", "/somewhere")

    installation = Installation(tmp_path, None, LocalBlobStore(tmp_path))
    this, that = examine(installation, [check_this, check_that])

    assert (this.check, this.result) == ("this", "fault")
    assert that == Finding("that", "fault", "Permission denied", place="/somewhere")


def test_doctor_with_scrub_reads_every_byte(data: Path) -> None:
    said = doctor(data, "--scrub", "--json")

    (scrubbed,) = [one for one in json.loads(said.stdout)["findings"] if one["check"] == "scrub"]
    assert said.exit_code == 0
    assert scrubbed["message"] == "1 blobs were read and are intact (0.0 MiB)"


def test_a_scrub_names_the_affected_versions_and_what_to_do(data: Path) -> None:
    store = LocalBlobStore(data / "blobs")
    (digest,) = store.digests()
    store.path_of(digest).write_bytes(b"An artifact")
    assert doctor(data).exit_code == 0, "only a scrub reads the bytes"

    said = doctor(data, "--scrub", "--json")

    (scrubbed,) = [one for one in json.loads(said.stdout)["findings"] if one["check"] == "scrub"]
    assert (said.exit_code, scrubbed["result"]) == (1, "fault")
    assert scrubbed["message"] == (
        f"blob {digest} is damaged, and was moved aside: "
        "the artifact and onnx of house/1, the artifact and onnx of house/2"
    )
    assert str(store.path_of(digest)) in scrubbed["advice"]
    assert "house@production is served from memory" in scrubbed["advice"]
    assert not store.holds(digest)
    again = doctor(data, "--scrub", "--json")
    assert f"blob {digest} is missing" in again.stdout


def test_doctor_reports_a_keeper_that_is_missing_while_workers_serve(data: Path) -> None:
    assert found(data, 0)["keeper"]["message"] == "no worker serves, so there is nothing to watch"
    serve_since(data / "run", 200)

    reported = found(data, 1)["keeper"]

    assert reported["result"] == "fault"
    assert "for 3 min: the keeper does not run" in reported["message"]
    assert "hotswap watch run" in reported["advice"]
    off = doctor(data, HOTSWAP_WATCH="0")
    assert off.exit_code == 0
    assert "nothing is watched (HOTSWAP_WATCH=0)" in off.stdout


def test_doctor_reports_a_keeper_that_runs(data: Path) -> None:
    serve_since(data / "run", 200)
    heartbeat = Heartbeat(data / "run")
    heartbeat.beat()
    heartbeat.close()

    assert found(data, 0)["keeper"]["message"] == "the keeper watches what is live"


def test_a_database_of_the_next_release_is_a_warning_and_is_checked(data: Path) -> None:
    execute(data, f"UPDATE alembic_version SET version_num = '{int(HEAD) + 1:04}'")

    findings = found(data, 0)

    assert findings["schema"]["result"] == "warning"
    assert "next release" in findings["schema"]["message"]
    assert findings["history"]["result"] == "ok"
