"""A fresh, migrated database for each test, on SQLite and on a real PostgreSQL."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.storage.database import Database
from tests.postgresql import Databases, PostgreSql
from tests.seaweedfs import SeaweedFs, running_seaweedfs

_ABOUT_DATABASES = {"test_database.py", "test_online_migrations.py", "test_schema.py"}
_OTHERS = (("backend", "postgresql"), ("ends", "to SQLite"))
"""Cases that another case of the same test is much like."""
_WRITERS_MEET = re.compile("concurrent|simultaneous|same_time|of_two|two_keepers|two_servers")
"""In the names of tests."""


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedFs]:
    with running_seaweedfs() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most tests on PostgreSQL to ``make test-slow``, where each makes a new database; their
    form on SQLite stays, and that of a move to PostgreSQL. ``make test`` has there the first test
    of each file, so that each table is used, and the first case of those that are about what the
    databases differ in."""
    seen = set()
    for item in items:
        cases = getattr(item, "callspec", None)
        if cases is None or all(cases.params.get(name) != value for name, value in _OTHERS):
            continue
        test, file = item.nodeid.partition("[")[0], item.path.name
        differ = file in _ABOUT_DATABASES or _WRITERS_MEET.search(item.name) is not None
        if test in seen or (file in seen and not differ):
            item.add_marker(pytest.mark.slow)
        seen |= {test, file}


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
def either_database(databases: Databases, tmp_path: Path) -> Iterator[Database]:
    """For what does not depend on the database: make test-postgresql has it there, make test on
    SQLite, in the file registry.db of ``tmp_path``."""
    database = Database(databases.url(tmp_path) or f"sqlite:///{tmp_path / 'registry.db'}")
    yield database
    database.dispose()
    databases.drop(tmp_path)


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """For what only SQLite does."""
    database = Database(sqlite_url)
    yield database
    database.dispose()
