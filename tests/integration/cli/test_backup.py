"""``hotswap backup`` and ``hotswap restore`` on real directories."""

import json
from datetime import datetime

import pytest
from click.testing import CliRunner

from cli.main import main
from registry.backups.last import last_backup
from registry.blobs.local import LocalBlobStore
from registry.storage.database import Database
from tests.integration.registry.races import upload


@pytest.fixture
def hotswap(tmp_path, sqlite_database):
    """The command, on a data directory with one version."""
    upload(sqlite_database, LocalBlobStore(tmp_path / "blobs"), b"first")

    def hotswap(*arguments, **environment):
        settings = {"HOTSWAP_DATA": str(tmp_path), "HOTSWAP_DATABASE_URL": "", **environment}
        return CliRunner().invoke(main, [str(argument) for argument in arguments], env=settings)

    return hotswap


def test_a_backup_can_be_restored_by_the_commands(hotswap, tmp_path):
    made = hotswap("backup", tmp_path / "backup")
    checked = hotswap("restore", tmp_path / "backup", "--check")
    restored = hotswap("restore", tmp_path / "backup", "--data", tmp_path / "new")

    assert (made.exit_code, checked.exit_code, restored.exit_code) == (0, 0, 0)
    assert made.stdout.startswith(f"Backed up to {tmp_path / 'backup'}: 2 blobs, ")
    assert " is complete and undamaged: 2 blobs, " in checked.stdout
    assert f"restored into {tmp_path / 'new'}: 2 blobs, " in restored.stdout
    ends = {reported.stdout.splitlines()[-1] for reported in (made, checked, restored)}
    assert len(ends) == 1
    anchor = ends.pop().rpartition(" ")[2]
    verified = hotswap(
        *("history", "--verify", "--anchor", anchor), HOTSWAP_DATA=str(tmp_path / "new")
    )
    assert verified.exit_code == 0


def test_the_backup_commands_print_json(hotswap, tmp_path):
    made = json.loads(hotswap("backup", tmp_path / "backup", "--json").stdout)
    restored = json.loads(
        hotswap("restore", tmp_path / "backup", "--json", HOTSWAP_DATA=str(tmp_path / "new")).stdout
    )

    assert (made["blobs"], made["missing"]) == (2, [])
    assert last_backup(tmp_path / "run") == datetime.fromisoformat(made["made_at"])
    assert restored == {**made, "data": str(tmp_path / "new")}


def test_a_refused_backup_or_restore_exits_1(hotswap, tmp_path):
    taken = hotswap("backup", tmp_path)
    hotswap("backup", tmp_path / "backup")
    over = hotswap("restore", tmp_path / "backup")
    (tmp_path / "backup" / "registry.db").write_bytes(b"")
    damaged = hotswap("restore", tmp_path / "backup", "--check")

    assert [reported.exit_code for reported in (taken, over, damaged)] == [1, 1, 1]
    assert "already exists" in taken.stderr
    assert "is not empty" in over.stderr
    assert "registry.db does not match the manifest" in damaged.stderr


def test_restoring_into_a_shared_folder_is_refused(hotswap, tmp_path):
    hotswap("backup", tmp_path / "backup")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)

    reported = hotswap("restore", tmp_path / "backup", "--data", tmp_path / "shared")

    assert reported.exit_code == 1
    assert "is shared by all users of this machine" in reported.stderr
    assert list((tmp_path / "shared").iterdir()) == []


def test_restoring_with_a_configured_database_url_is_wrong_usage(hotswap, tmp_path):
    hotswap("backup", tmp_path / "backup")

    reported = hotswap(
        *("restore", tmp_path / "backup", "--data", tmp_path / "new"),
        HOTSWAP_DATABASE_URL="sqlite:////elsewhere.db",
    )

    assert reported.exit_code == 2
    assert "HOTSWAP_DATABASE_URL" in reported.stderr
    assert not (tmp_path / "new").exists()


@pytest.fixture
def on_postgresql(postgresql, tmp_path):
    """The command, on a data directory whose database is on PostgreSQL."""
    url = postgresql.create(migrated=True)
    database = Database(url)
    upload(database, LocalBlobStore(tmp_path / "blobs"), b"first")
    database.dispose()

    def hotswap(*arguments, url=url, data=tmp_path):
        settings = {"HOTSWAP_DATA": str(data), "HOTSWAP_DATABASE_URL": url}
        given = (*arguments, "--pg-bin", postgresql.programs)
        return CliRunner().invoke(main, [str(argument) for argument in given], env=settings)

    yield hotswap
    postgresql.drop(url)


def test_a_registry_on_postgresql_is_backed_up_checked_and_restored(
    on_postgresql, postgresql, tmp_path
):
    empty = postgresql.create(migrated=False)

    made = on_postgresql("backup", tmp_path / "backup")
    checked = on_postgresql("restore", tmp_path / "backup", "--check", url="")
    without = on_postgresql("restore", tmp_path / "backup", url="", data=tmp_path / "new")
    restored = on_postgresql("restore", tmp_path / "backup", url=empty, data=tmp_path / "new")
    again = on_postgresql("restore", tmp_path / "backup", url=empty, data=tmp_path / "third")

    assert [made.exit_code, checked.exit_code, restored.exit_code] == [0, 0, 0]
    assert f"restored into {tmp_path / 'new'}: 2 blobs, " in restored.stdout
    ends = {reported.stdout.splitlines()[-1] for reported in (made, checked, restored)}
    assert len(ends) == 1
    assert without.exit_code == again.exit_code == 1
    assert "set HOTSWAP_DATABASE_URL" in without.stderr
    assert "has tables" in again.stderr
    assert last_backup(tmp_path / "run") is not None
    postgresql.drop(empty)
