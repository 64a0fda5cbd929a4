"""A fresh, migrated database for each test, on SQLite and on a real PostgreSQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.storage.database import Database
from tests.postgresql import PostgreSql, running_postgresql, upgrade_and_close


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "registry.db"
    upgrade_and_close(f"sqlite:///{file}")
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave all but the first case of each test on PostgreSQL to ``make test-slow``: what the cases
    of a test differ in is hardly ever what the databases differ in, and each makes a new one."""
    seen = set()
    for item in items:
        cases = getattr(item, "callspec", None)
        if cases is not None and cases.params.get("backend") == "postgresql":
            test = item.nodeid.partition("[")[0]
            if test in seen:
                item.add_marker(pytest.mark.slow)
            seen.add(test)


@pytest.fixture
def empty_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    postgresql: PostgreSql = request.getfixturevalue("postgresql")
    url = postgresql.create(migrated=False)
    yield url
    postgresql.drop(url)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'registry.db')}"


@pytest.fixture
def database_url(backend: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a migrated database in which nothing has happened yet."""
    if backend == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    postgresql: PostgreSql = request.getfixturevalue("postgresql")
    url = postgresql.create(migrated=True)
    yield url
    postgresql.drop(url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """For what only SQLite does, or what does not depend on the database."""
    database = Database(sqlite_url)
    yield database
    database.dispose()
