"""Directories that callers upload file by file, and from which they then register a version.

    <root>/<owner>/<directory>/…   files of one caller's directory; each is complete
    <root>/removed/…               directories that are being removed

A directory is locked while a file is added to it or read, and while it is moved to ``removed``. So
a reader finds a file complete or not at all, and what an interrupted removal leaves is nobody's.
"""

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from registry.blobs.disk_errors import storage_errors
from registry.blobs.store import Leftovers, StagedBlob
from registry.errors import PathMalformed, TooLarge, UploadsFull
from registry.storage.durable import fsync_directory, make_directory, rename_durably

KEPT_SECONDS = 24 * 3600.0
"""How long a directory is kept after its last file arrived."""
MAX_DIRECTORIES = 1_000
"""Of one owner."""
MAX_FILES = 1_000
"""In one directory."""
MAX_DEPTH = 16
MAX_NAME_BYTES = 200
MAX_PATH = 1_000
"""Characters."""
_REFUSED = frozenset({"", ".", ".."})
_REFUSED_CHARACTERS = frozenset("/\\%\ufffd")
"""``%`` begins a character that was encoded twice, and U+FFFD stands for bytes that are no text."""

FilePath = tuple[str, ...]
"""The names of the folders and of the file; the first is the directory that is uploaded."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A file, or a folder, whose ``size`` is None."""

    name: str
    size: int | None


def parse_path(text: str) -> FilePath:
    """The names of a path of plain names, separated by ``/``. Raises PathMalformed."""
    names = tuple(text.split("/"))
    if len(names) > MAX_DEPTH or len(text) > MAX_PATH or not all(map(is_plain_name, names)):
        raise PathMalformed(text)
    return names


def is_plain_name(name: str) -> bool:
    """Whether ``name`` can be the name of a file, on every system."""
    return (
        name not in _REFUSED
        and name.isprintable()
        and _REFUSED_CHARACTERS.isdisjoint(name)
        and len(name.encode()) <= MAX_NAME_BYTES
    )


def check_room(others: Collection[int], size: int, most_files: int, most_bytes: int) -> None:
    """Check that a file of ``size`` bytes may be added to a directory whose other files have these
    sizes. Raises TooLarge and UploadsFull."""
    if len(others) >= most_files:
        raise UploadsFull(f"{most_files} files in the directory")
    if sum(others) + size > most_bytes:
        raise TooLarge("The directory", f"{most_bytes} bytes", "HOTSWAP_MAX_UPLOAD_MB")


class Uploads:
    """Directories below ``root``, which is in the file system of the blobs that are added.

    A directory may have ``most_bytes`` in ``most_files``, and an owner ``most_directories``;
    ``clock`` returns the time of day in seconds.
    """

    def __init__(
        self,
        root: Path,
        most_bytes: int,
        *,
        most_files: int = MAX_FILES,
        most_directories: int = MAX_DIRECTORIES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.root = root
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._most_directories = most_directories
        self._clock = clock

    def add(self, owner: int, path: FilePath, blob: StagedBlob) -> None:
        """Keep ``blob`` as the file ``path``; durable when this returns.

        Raises PathMalformed where a folder has the name of a file or the reverse, TooLarge,
        UploadsFull, StorageFull and StorageUnavailable.
        """
        if len(path) < 2:
            raise PathMalformed.without_directory("/".join(path))
        self._check_directories(owner, path[0])
        with storage_errors(), self._locked(owner, path[0], create=True) as directory:
            target = directory.joinpath(*path[1:])
            folders = [directory.joinpath(*path[1:depth]) for depth in range(2, len(path))]
            if target.is_dir() or any(folder.is_file() for folder in folders):
                raise PathMalformed.in_use("/".join(path))
            self._check_room(directory, target, blob.size)
            make_directory(target.parent)
            blob.keep_as(target)
            now = self._clock()
            os.utime(directory, (now, now))

    def entries(self, owner: int, path: FilePath) -> list[Entry]:
        """The content of the folder ``path``, in order; nothing where there is none."""
        folder = self._path(owner, path)
        entries = []
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
            for each in found:
                is_folder = each.is_dir(follow_symlinks=False)
                size = None if is_folder else each.stat(follow_symlinks=False).st_size
                entries.append(Entry(each.name, size))
        return sorted(entries, key=lambda each: each.name)

    def open(self, owner: int, path: FilePath) -> BinaryIO | None:
        """The file ``path``; None where there is none."""
        file = self._path(owner, path)
        try:
            with storage_errors():
                return file.open("rb") if file.is_file() else None
        except FileNotFoundError:
            return None

    @contextmanager
    def reading(self, owner: int, path: FilePath) -> Iterator[Path | None]:
        """The folder ``path``, whose files do not change in this block; None if there is none."""
        with ExitStack() as held:
            try:
                directory = held.enter_context(self._locked(owner, path[0]))
            except FileNotFoundError:
                yield None
                return
            folder = directory.joinpath(*path[1:])
            yield folder if folder.is_dir() else None

    def remove(self, owner: int, path: FilePath) -> bool:
        """Remove the file or folder ``path``, and the folders with nothing else; whether there was
        one."""
        with (
            suppress(FileNotFoundError),
            storage_errors(),
            self._locked(owner, path[0]) as directory,
        ):
            target = directory.joinpath(*path[1:])
            if target.exists():
                self._remove(_topmost_alone(target, directory))
                return True
        return False

    def remove_old(self, older_than: float = KEPT_SECONDS, *, dry_run: bool = False) -> Leftovers:
        """Remove, or only count, the directories whose last file arrived ``older_than`` seconds
        ago, and what interrupted removals left. Raises StorageUnavailable."""
        count = size = 0
        before = self._clock() - older_than
        with storage_errors():
            if not dry_run:
                for removed in (self.root / _REMOVED).glob("*"):
                    _delete(removed)
            for directory in self.root.glob("*/*"):
                if directory.parent.name == _REMOVED or not _is_older(directory, before):
                    continue
                with suppress(FileNotFoundError):
                    owner, name = int(directory.parent.name), directory.name
                    with self._locked(owner, name) as locked:
                        if not _is_older(locked, before):
                            continue
                        size += sum(_sizes(locked))
                        count += 1
                        if not dry_run:
                            self._remove(locked)
        return Leftovers(count, size)

    def _check_directories(self, owner: int, name: str) -> None:
        folder = self._path(owner, ())
        if (folder / name).is_dir():
            return
        if len(self.entries(owner, ())) >= self._most_directories:
            raise UploadsFull(f"{self._most_directories} directories of this token")

    def _check_room(self, directory: Path, target: Path, size: int) -> None:
        others = list(_sizes(directory))
        if target.is_file():
            others.remove(target.stat().st_size)
        check_room(others, size, self._most_files, self._most_bytes)

    @contextmanager
    def _locked(self, owner: int, name: str, *, create: bool = False) -> Iterator[Path]:
        """Lock a directory. Raises FileNotFoundError where there is none, unless ``create``."""
        directory = self._path(owner, (name,))
        while True:
            if create:
                make_directory(directory)
            try:
                descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                if create:
                    continue  # removed since it was made
                raise
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if _is_still(directory, descriptor):
                    yield directory
                    return
            finally:
                os.close(descriptor)

    def _remove(self, path: Path) -> None:
        removed = make_directory(self.root / _REMOVED) / secrets.token_hex(16)
        rename_durably(path, removed)
        fsync_directory(path.parent)
        _delete(removed)

    def _path(self, owner: int, path: FilePath) -> Path:
        return self.root.joinpath(str(owner), *path)


_REMOVED = "removed"


def _delete(path: Path) -> None:
    """Delete what was moved to ``removed``; another process may be doing the same."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _topmost_alone(path: Path, directory: Path) -> Path:
    """``path``, or the topmost folder, up to ``directory``, that has nothing else in it.

    Only files are counted, so folders without any could be made without end.
    """
    while path != directory and len(list(path.parent.iterdir())) == 1:
        path = path.parent
    return path


def _sizes(directory: Path) -> Iterator[int]:
    for folder, _, files in os.walk(directory):
        for name in files:
            yield Path(folder, name).stat().st_size


def _is_older(directory: Path, before: float) -> bool:
    with suppress(FileNotFoundError, NotADirectoryError):
        return directory.stat().st_mtime < before
    return False


def _is_still(directory: Path, descriptor: int) -> bool:
    """Whether ``directory`` is the open one. It may have been removed before it was locked."""
    with suppress(FileNotFoundError):
        return os.path.samestat(directory.stat(), os.fstat(descriptor))
    return False
