"""Faulty implementations that the tests must detect, each with one deliberate fault."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from registry.blobs.local import LocalBlobStore, LocalStagedBlob
from registry.storage.database import Database


class AnnouncesBeforeItCommits(Database):
    """Announces a change to workers before they can see it."""

    def __init__(self, url: str, *, committed: Callable[[], None]) -> None:
        super().__init__(url)
        self._announce = committed

    @contextmanager
    def write(self, **options: bool) -> Iterator[Session]:
        with super().write(**options) as session:
            yield session
            session.flush()
            self._announce()


class CommitsWithoutFsync(Database):
    """SQLite does not sync its pages."""

    def __init__(self, url: str, *, committed: Callable[[], None]) -> None:
        super().__init__(url, committed=committed)

        @event.listens_for(self.engine, "connect")
        def hurry(connection: Any, _: object) -> None:
            connection.execute("PRAGMA synchronous = OFF")


class _Renamed(LocalStagedBlob):
    """Renames the file before its bytes are on the disk."""

    def keep(self) -> str:
        final = self._store.path_of(self.digest)
        self._file.flush()
        final.parent.mkdir(parents=True, exist_ok=True)
        self._path.replace(final)
        self._file.close()
        return self.digest


class StoresWithoutFsync(LocalBlobStore):
    """Leaves it to the kernel when bytes and names reach the disk."""

    def stage(self, limit: int) -> LocalStagedBlob:
        super().stage(limit).close()  # makes the folder as the real one does
        return _Renamed(self, self.root / "incoming" / secrets.token_hex(16), limit)


class _Late(LocalStagedBlob):
    """Is kept when it is closed, which is after the row was written."""

    late = False

    def keep(self) -> str:
        self.late = True
        return self.digest

    def close(self) -> None:
        if self.late:
            self.late = False
            super().keep()
        super().close()


class StoresAfterTheRow(LocalBlobStore):
    """Gives the bytes their name when the row that points at them is there already."""

    def stage(self, limit: int) -> LocalStagedBlob:
        super().stage(limit).close()
        return _Late(self, self.root / "incoming" / secrets.token_hex(16), limit)


Parts = tuple[Callable[..., Database], Callable[[Path], LocalBlobStore]]

PARTS: dict[str, Parts] = {
    "none": (Database, LocalBlobStore),
    "announce-before-commit": (AnnouncesBeforeItCommits, LocalBlobStore),
    "commit-without-fsync": (CommitsWithoutFsync, LocalBlobStore),
    "no-fsync": (Database, StoresWithoutFsync),
    "row-before-bytes": (Database, StoresAfterTheRow),
}
