"""The directories of models below given folders; nothing outside them is opened."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from cli.formatting import size
from cli.importing.mlflow import Message, text_of
from cli.importing.real_paths import real_path
from cli.importing.sources import CannotCome
from registry.errors import shown

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_RUNS = re.compile(r"runs:/+([0-9A-Za-z]{1,64})/(.+)")
_FEWEST_PARTS = 2
"""Of the end of a location: a folder of an experiment has at least a run and its artifacts."""


class LocalStore(ABC):
    """The files of versions, for a registry whose artifacts are in folders of this machine."""

    def __init__(self, artifacts: "ArtifactFolders") -> None:
        self._artifacts = artifacts

    @abstractmethod
    def _artifacts_of_run(self, run_id: str) -> str:
        """The location of a run's artifacts. Raises CannotCome."""

    def read(self, version: Message, name: str, most: int) -> bytes:
        return self._artifacts.file(self._location(version), name, most).read_bytes()

    @contextmanager
    def artifact(self, version: Message, name: str) -> Iterator[Path]:
        yield self._artifacts.file(self._location(version), name)

    @abstractmethod
    def close(self) -> None:
        """Release what the store holds open."""

    def _location(self, version: Message) -> str:
        location = text_of(version, "storage_location") or text_of(version, "source")
        if (run := _RUNS.fullmatch(location)) is None:
            return location
        return f"{self._artifacts_of_run(run[1])}/{run[2]}"


class ArtifactFolders:
    """Folders with the artifacts of MLflow, and the most bytes of a file."""

    def __init__(self, folders: Sequence[Path], most: int) -> None:
        self._folders = [folder.resolve() for folder in folders]
        self._most = most

    def file(self, location: str, name: str, most: int | None = None) -> Path:
        """The file ``name`` in the directory at ``location``, resolved.

        Where the location itself is not below one of the folders, its longest end that exists there
        is meant: the artifacts may have been moved or copied. Raises CannotCome.
        """
        directory = self._directory(location)
        path = real_path(directory / name)
        if path is not None and not self._is_inside(path):
            raise CannotCome(f"The file {shown(name)} is a link to outside the artifacts' folders.")
        if path is None or not path.is_file():
            raise CannotCome(f"The file {shown(name)} is missing in {directory}.")
        limit = self._most if most is None else most
        if (length := path.stat().st_size) > limit:
            raise CannotCome(
                f"The file {shown(name)} has {size(length)}, more than {size(limit)}, see --max-mb."
            )
        return path

    def _directory(self, location: str) -> Path:
        path = _path(location)
        if ".." in path.parts:
            raise CannotCome(f"Its location {shown(location, 200)} contains '..'.")
        whole = Path(path)
        if path.is_absolute() and self._has(whole):
            return whole
        parts = [part for part in path.parts if part != "/"]
        for start in range(len(parts) - _FEWEST_PARTS + 1):
            for folder in self._folders:
                moved = folder.joinpath(*parts[start:])
                if self._has(moved):
                    return moved
        raise CannotCome(
            f"Its files, at {shown(location, 200)}, are not below "
            f"{', '.join(map(str, self._folders))}; give --artifacts DIR, or import from the "
            "running MLflow server."
        )

    def _has(self, directory: Path) -> bool:
        real = real_path(directory)
        return real is not None and real.is_dir() and self._is_inside(real)

    def _is_inside(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self._folders)


def _path(location: str) -> PurePosixPath:
    """The path in a location, which is a path or an URI."""
    if "\x00" in location:
        raise CannotCome("Its location contains the character U+0000.")
    if not _SCHEME.match(location):
        return PurePosixPath(location)
    try:
        return PurePosixPath(unquote(urlsplit(location).path))
    except ValueError as error:
        raise CannotCome(f"Its location {shown(location, 200)} is no URI: {error}.") from error
