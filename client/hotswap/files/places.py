"""Local files, and files at URLs through fsspec."""

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from hotswap.errors import FileRefused

_ENDS = 2**20
_LOCAL = "file://"


class Files(Protocol):
    """The operations on the files of one file system. Paths are strings. Picklable."""

    def open(self, path: str) -> BinaryIO: ...

    def state(self, path: str) -> dict[str, Any]:
        """What changes if another program writes to the file."""

    def make_folder(self, path: str) -> None: ...

    def names(self, folder: str) -> list[str]:
        """The names of the files in ``folder``; none if it does not exist."""

    def read(self, path: str) -> bytes | None:
        """The content; None if there is no such file."""

    def write(self, path: str, content: bytes) -> None:
        """Create or replace the file. A local file is replaced atomically."""

    def create(self, path: str) -> BinaryIO: ...

    def move(self, path: str, to: str) -> None:
        """Local files: the content is on disk before ``to`` is replaced."""

    def remove(self, path: str) -> None: ...

    def remove_folder(self, path: str) -> None: ...


class LocalFiles:
    """Files of this machine."""

    def open(self, path: str) -> BinaryIO:
        return Path(path).open("rb")

    def state(self, path: str) -> dict[str, Any]:
        found = Path(path).stat()
        return {"size": found.st_size, "modified": found.st_mtime_ns}

    def make_folder(self, path: str) -> None:
        Path(path).mkdir(exist_ok=True)

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(folder))  # noqa: PTH208 - names are needed, not paths
        except FileNotFoundError:
            return []

    def read(self, path: str) -> bytes | None:
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        partial = Path(f"{path}.{os.getpid()}-{threading.get_ident()}")
        try:
            with named_in_errors(path):
                partial.write_bytes(content)
                partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def create(self, path: str) -> BinaryIO:
        return Path(path).open("wb")

    def move(self, path: str, to: str) -> None:
        with Path(path).open("rb+") as file:
            os.fsync(file.fileno())  # noqa: TID251 - without the registry
        Path(path).replace(to)

    def remove(self, path: str) -> None:
        Path(path).unlink(missing_ok=True)

    def remove_folder(self, path: str) -> None:
        shutil.rmtree(path)


class RemoteFiles:
    """Files at URLs, such as ``s3://bucket/key``; each of an fsspec file system."""

    def __init__(self, protocol: str) -> None:
        try:
            self._system = import_module("fsspec").filesystem(protocol)
        except (ImportError, ValueError) as error:
            raise FileRefused(
                f"Files at {protocol}:// cannot be opened: {error}. Install fsspec and its "
                "implementation of this protocol."
            ) from error

    def open(self, path: str) -> BinaryIO:
        return cast(BinaryIO, self._system.open(path, "rb"))

    def state(self, path: str) -> dict[str, Any]:
        return {"size": self._system.size(path), "modified": self._system.ukey(path)}

    def make_folder(self, path: str) -> None:
        self._system.makedirs(path, exist_ok=True)

    def names(self, folder: str) -> list[str]:
        try:
            found = self._system.ls(folder, detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def read(self, path: str) -> bytes | None:
        try:
            return cast(bytes, self._system.cat_file(path))
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        self._system.pipe_file(path, content)

    def create(self, path: str) -> BinaryIO:
        return cast(BinaryIO, self._system.open(path, "wb"))

    def move(self, path: str, to: str) -> None:
        self._system.mv(path, to)

    def remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._system.rm_file(path)

    def remove_folder(self, path: str) -> None:
        self._system.rm(path, recursive=True)


@contextmanager
def named_in_errors(path: str) -> Iterator[None]:
    """Add ``path`` to an OSError without a path, as a full disk gives it."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or path
        raise


def located(path: str) -> str:
    """``path`` as it is found from any working directory: a URL, or an absolute local path without
    symbolic links.

    Raises FileRefused for a folder, a pipe and a device.
    """
    if "://" in path and not path.startswith(_LOCAL):
        return path
    found = Path(path.removeprefix(_LOCAL)).resolve()
    if found.exists() and not found.is_file():
        raise FileRefused(f"{path} is not a regular file.")
    return str(found)


def files_at(path: str) -> Files:
    """The file system of a ``located`` path. Raises FileRefused."""
    protocol, separator, _ = path.partition("://")
    return RemoteFiles(protocol) if separator else LocalFiles()


def identity(path: str) -> dict[str, Any]:
    """What identifies the content of a file without reading all of it. Raises OSError."""
    files = files_at(path)
    state = files.state(path)
    digest = hashlib.sha256()
    with files.open(path) as file:
        digest.update(file.read(_ENDS))
        if state["size"] > _ENDS:
            file.seek(max(_ENDS, state["size"] - _ENDS))
            digest.update(file.read(_ENDS))
    return {**state, "sha256 of its ends": digest.hexdigest()}
