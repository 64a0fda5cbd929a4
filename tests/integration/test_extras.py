"""What is installed only on request: the extras, the lock files, and the errors without them."""

import json
import re
import sys
from importlib.metadata import metadata, requires
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from cli.exits import CommandFailed
from cli.main import main
from config import Settings
from registry.extras import LIBRARIES, is_installed
from registry.storage.database import Database
from registry.storage.tables import HoldoutRow
from tests.factories import add_versions
from tests.missing_library import missing_library
from tests.preparing import prepared
from trainers.data import read_dataset
from trainers.errors import ExtraMissing, RecipeRefused
from trainers.model_kinds import LIBRARY_KINDS
from trainers.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTIONS = {
    "excel": "python-calamine",
    "otel": "opentelemetry-api",
    "xgboost": "xgboost-cpu" if sys.platform == "linux" else "xgboost",
}
"""The distributions of extras whose library is imported under another name."""
POSTGRESQL = "postgresql://registry@127.0.0.1:1/registry"


def locked(name: str) -> dict[str, set[str]]:
    """The versions and hashes of each distribution in a lock file."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / name).read_text().splitlines():
        if pin := re.match(r"([a-z0-9-]+)(==\S+)", line):
            found.setdefault(pin[1], set()).add(pin[2])
            last = pin[1]
        elif digest := re.match(r" +--hash=(\S+)", line):
            found[last].add(digest[1])
    return found


def test_each_library_of_an_extra_is_required_only_by_that_extra() -> None:
    wanted = [Requirement(line) for line in requires("hotswap") or []]
    always = {one.name for one in wanted if one.marker is None or "extra" not in str(one.marker)}

    assert set(metadata("hotswap").get_all("Provides-Extra") or []) >= set(LIBRARIES)
    for extra, library in LIBRARIES.items():
        (only,) = [
            one.name
            for one in wanted
            if one.marker is not None
            and f'extra == "{extra}"' in str(one.marker)
            and one.marker.evaluate({"extra": extra})
        ]
        assert only == DISTRIBUTIONS.get(extra, library)
        assert only not in always


def test_the_lock_files_contain_each_other_with_the_same_versions_and_hashes() -> None:
    serving, extras, development, browser = map(
        locked,
        (
            "requirements.txt",
            "requirements-extras.txt",
            "requirements-dev.txt",
            "requirements-browser.txt",
        ),
    )

    assert serving.items() <= extras.items() <= development.items()
    assert all(development.get(name, found) == found for name, found in browser.items())
    assert "playwright" in browser.keys() - development.keys()
    optional = {"gunicorn"} | {DISTRIBUTIONS.get(*item) for item in LIBRARIES.items()}
    assert not optional & serving.keys()
    assert optional <= extras.keys()
    for versions in (*development.values(), *browser.values()):
        assert any(entry.startswith("sha256:") for entry in versions)


@pytest.mark.parametrize("extra", LIBRARIES)
def test_a_missing_library_is_detected(extra: str) -> None:
    assert is_installed(extra)
    with missing_library(LIBRARIES[extra]):
        assert not is_installed(extra)
    assert is_installed(extra)


def test_a_postgresql_database_without_psycopg_names_the_extra() -> None:
    with (
        missing_library("psycopg"),
        pytest.raises(ValueError, match=r"requires psycopg, which is not installed.*'postgresql'"),
    ):
        Database(POSTGRESQL)


def test_the_service_does_not_start_on_postgresql_without_psycopg(tmp_path: Path) -> None:
    settings = Settings(database_url=POSTGRESQL, data=tmp_path / "data")
    with missing_library("psycopg"), pytest.raises(CommandFailed) as refused:
        prepared(settings)

    assert refused.value.exit_code == 1
    assert "pip install 'hotswap[postgresql]'" in refused.value.message


def test_the_service_does_not_start_with_traces_without_opentelemetry(tmp_path: Path) -> None:
    settings = Settings(traces=True, data=tmp_path / "data")
    with missing_library("opentelemetry"), pytest.raises(CommandFailed) as refused:
        prepared(settings)

    assert refused.value.exit_code == 1
    assert "HOTSWAP_TRACES requires opentelemetry" in refused.value.message
    assert "pip install 'hotswap[otel]'" in refused.value.message
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("library", LIBRARY_KINDS)
def test_a_recipe_of_a_library_that_is_not_installed_names_the_extra(library: str) -> None:
    written = f'data = "sklearn:iris"\nkind = "{library}"\n'
    with missing_library(library), pytest.raises(RecipeRefused) as refusal:
        Recipe.from_toml(written)

    assert refusal.value.mistakes == (
        f"line 2: Training with kind = '{library}' requires {library}, which is not installed. "
        f"Install the extra '{library}': make extras in a clone of Hotswap, or else "
        f"pip install 'hotswap[{library}]'",
    )


@pytest.mark.parametrize("library", LIBRARY_KINDS)
@pytest.mark.parametrize("command", ["train", "recipe init"])
def test_commands_name_the_extra_of_a_kind(command: str, library: str, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x,y\n1,2\n2,3\n3,4\n4,6\n")
    flags = [*command.split(), str(table), "--target", "y", "--kind", library]
    flags += ["--name", "m"] if command == "train" else ["--out", str(tmp_path / "r.toml")]
    with missing_library(library):
        result = CliRunner().invoke(main, flags)

    assert result.exit_code == 2, result.output
    assert f"pip install 'hotswap[{library}]'" in result.stderr
    assert not (tmp_path / "r.toml").exists()


def test_training_on_parquet_requires_pyarrow(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with missing_library("pyarrow"), pytest.raises(ExtraMissing, match="the extra 'arrow'"):
        read_dataset(str(tmp_path / "t.parquet"))


@pytest.mark.parametrize(("format_", "result"), [("parquet", "fault"), ("csv", None)])
def test_doctor_names_the_extra_where_a_holdout_needs_it(
    sqlite_url: str, tmp_path: Path, format_: str, result: str | None
) -> None:
    database = Database(sqlite_url)
    add_versions(database, "house")
    with database.write() as session:
        session.add(
            HoldoutRow(
                model="house",
                number=1,
                format=format_,
                sha256="0" * 64,
                size=1,
                table_rows=2,
                columns=["a", "y"],
                target="y",
                created_by="ann",
            )
        )
    database.dispose()

    def findings() -> list[dict[str, str]]:
        said = CliRunner(env={"HOTSWAP_DATA": str(tmp_path)}).invoke(main, ["doctor", "--json"])
        return [one for one in json.loads(said.stdout)["findings"] if one["check"] == "holdouts"]

    assert findings() == []
    with missing_library("pyarrow"):
        found = findings()
    assert [one["result"] for one in found] == ([result] if result else [])
    assert all("hotswap[arrow]" in one["advice"] for one in found)
