"""Imports of a folder of files that a CSV file lists."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.importing.importing_registry import ImportingRegistry

NAMES = """\
file,model,alias,description,tags,metrics
a/first.joblib,iris,,The first,team=flowers; year=2024,acc=0.9;f1=0.8
second.pkl,iris,production blue,,,
net.onnx,wine,production,,,
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the files that NAMES lists."""
    for name in ("a/first.joblib", "second.pkl", "net.onnx"):
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "models"


def imported(hotswap: Hotswap, folder: Path, names: str, *more: str) -> Any:
    """The result of an import by the CSV file ``names``."""
    path = folder.parent / "names.csv"
    path.write_text(names, encoding="utf-8-sig")
    return hotswap("import", "folder", str(folder), "--csv", str(path), *(more or ("--yes",)))


def test_the_files_come_in_the_order_of_the_list(
    hotswap: Hotswap, registry: ImportingRegistry, folder: Path
) -> None:
    result = imported(hotswap, folder, NAMES)

    assert result.exit_code == 0, result.output
    first, second = registry.versions["iris"]
    assert (first["version"], second["version"]) == (1, 2)
    assert (first["description"], first["metrics"]) == ("The first", {"acc": 0.9, "f1": 0.8})
    assert first["tags"] == {"team": "flowers", "year": "2024"}
    assert first["lineage"] == {"imported": {"file": "a/first.joblib"}}
    assert registry.aliases == {"iris": {"production": 2, "blue": 2}, "wine": {"production": 1}}
    assert "blue, production" in result.stdout or "production, blue" in result.stdout


def test_a_second_import_brings_only_what_is_new(
    hotswap: Hotswap, registry: ImportingRegistry, folder: Path
) -> None:
    imported(hotswap, folder, NAMES)
    (folder / "second.pkl").write_text("changed")
    (folder / "third.skops").write_text("third")

    result = imported(hotswap, folder, f"{NAMES}third.skops,iris,,,,\n", "--json", "--yes")

    outcomes = [(each["source"], each["outcome"], each["version"])
                for each in json.loads(result.stdout)["models"][0]["versions"]]  # fmt: skip
    assert outcomes == [
        ("a/first.joblib", "present", 1),
        ("second.pkl", "imported", 3),
        ("third.skops", "imported", 4),
    ]
    assert len(registry.versions["wine"]) == 1
    assert registry.aliases["iris"]["production"] == 2  # and the report says so
    assert result.exit_code == 1


def test_numbers_can_be_given(hotswap: Hotswap, registry: ImportingRegistry, folder: Path) -> None:
    names = "file,model,version\nsecond.pkl,iris,7\na/first.joblib,iris,3\n"
    assert imported(hotswap, folder, names).exit_code == 0
    found = [(each["version"], each["lineage"]["imported"]["file"])
             for each in registry.versions["iris"]]  # fmt: skip
    assert found == [(3, "a/first.joblib"), (7, "second.pkl")]


def test_a_dry_run_changes_nothing(
    hotswap: Hotswap, registry: ImportingRegistry, folder: Path
) -> None:
    assert imported(hotswap, folder, NAMES, "--dry-run").exit_code == 0
    assert {each.method for each in registry.requests} == {"GET"}


def test_a_file_that_is_too_large_is_told(
    hotswap: Hotswap, registry: ImportingRegistry, folder: Path
) -> None:
    (folder / "net.onnx").write_bytes(b"x" * 1_000_001)
    result = imported(hotswap, folder, NAMES, "--yes", "--max-mb", "1")
    assert result.exit_code == 1
    assert "wine net.onnx: not imported: The file has 1.0 MB" in result.stdout
    assert "wine" not in registry.versions


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("file,model\n../names.csv,iris\n", "line 2: '../names.csv' is outside the folder"),
        ("file,model\n/etc/passwd,iris\n", "is outside the folder"),
        ("file,model\nlink.pkl,iris\n", "is outside the folder"),
        ("file,model\nloop.pkl,iris\n", "line 2: 'loop.pkl' is missing"),
        (f"file,model\n{'x' * 300},iris\n", "is missing"),
        ("file,model\nnone.pkl,iris\n", "is missing"),
        ("file,model\na,iris\n", "is missing"),
        ("file,model\n,iris\nsecond.pkl,\n", "line 3: model is required"),
        ("file,model\nsecond.pkl,iris\nsecond.pkl,iris\n", "listed twice"),
        ("file,model,alias\nsecond.pkl,iris,x\nnet.onnx,iris,x\n", "alias 'x' is listed twice"),
        ("file,model,version\nsecond.pkl,iris,0\n", "expected a number from 1 on"),
        ("file,model,tags\nsecond.pkl,iris,team\n", "'team' is not of the form key=value"),
        ("file,model,metrics\nsecond.pkl,iris,acc=high\n", "could not convert"),
        ("file,model,owner\nsecond.pkl,iris,me\n", "unknown columns: 'owner'"),
        ("file,name\nsecond.pkl,iris\n", "unknown columns: 'name'"),
        ("file\nsecond.pkl\n", "no column model"),
        ("file,model\nsecond.pkl,iris,more\n", "more cells"),
        ('file,model\n"second.pkl,iris\n', "cannot be read"),
        ("", "no column"),
    ],
)
def test_a_list_with_faults_is_refused_whole(
    hotswap: Hotswap, registry: ImportingRegistry, folder: Path, names: str, said: str
) -> None:
    (folder / "link.pkl").symlink_to(folder.parent / "names.csv")
    (folder / "loop.pkl").symlink_to(folder / "loop.pkl")
    result = imported(hotswap, folder, names)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert {each.method for each in registry.requests} <= {"GET"}
