"""``hotswap db move`` on real databases."""

import json

import pytest
from click.testing import CliRunner

from cli.hold import Hold
from cli.main import main
from registry.blobs.local import LocalBlobStore
from tests.integration.registry.races import upload


@pytest.fixture
def hotswap(tmp_path, sqlite_database):
    """The command, on a data directory with one version."""
    upload(sqlite_database, LocalBlobStore(tmp_path / "blobs"), b"first")

    def hotswap(*arguments, url=""):
        settings = {"HOTSWAP_DATA": str(tmp_path), "HOTSWAP_DATABASE_URL": url}
        return CliRunner().invoke(main, [str(argument) for argument in arguments], env=settings)

    return hotswap


def test_a_registry_is_moved_to_postgresql_and_back(hotswap, postgresql, tmp_path):
    url = postgresql.create(migrated=False)
    before = hotswap("history", "--verify").stdout

    there = hotswap("db", "move", "--to", url)
    back = hotswap("db", "move", "--to", f"sqlite:///{tmp_path / 'new.db'}", "--json", url=url)

    assert there.exit_code == 0, there.stderr
    assert there.stdout.startswith("Moved ")
    assert "Set HOTSWAP_DATABASE_URL" in there.stdout
    assert back.exit_code == 0, back.stderr
    report = json.loads(back.stdout)
    assert report["rows"]["versions"] == 1
    assert report["history"] in there.stdout
    assert hotswap("history", "--verify", url=url).stdout == before
    assert hotswap("history", "--verify", url=f"sqlite:///{tmp_path / 'new.db'}").stdout == before
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o600
    postgresql.drop(url)


def test_a_registry_that_is_served_is_not_moved(hotswap, tmp_path):
    hold = Hold.acquire(tmp_path)
    hold.record("http://127.0.0.1:8000")

    refused = hotswap("db", "move", "--to", f"sqlite:///{tmp_path / 'new.db'}")
    hold.close()

    assert refused.exit_code == 1
    assert "is in use by process" in refused.stderr
    assert not (tmp_path / "new.db").exists()


def test_a_database_in_use_is_not_moved_to(hotswap, tmp_path):
    refused = hotswap("db", "move", "--to", f"sqlite:///{tmp_path / 'registry.db'}")

    assert refused.exit_code == 1
    assert "is not empty" in refused.stderr


@pytest.mark.parametrize("url", ["mysql://localhost/registry", "nothing", "sqlite://"])
def test_an_address_that_names_no_database_is_wrong_usage(hotswap, url):
    assert hotswap("db", "move", "--to", url).exit_code == 2
