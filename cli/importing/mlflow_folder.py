"""A folder that MLflow's file store has written, such as ``mlruns``."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cli.exits import SAID_NO, WRONG_USAGE
from cli.importing.artifact_folders import ArtifactFolders, LocalStore
from cli.importing.mlflow import MAX_VERSIONS, Message, text_of, too_many
from cli.importing.real_paths import real_path
from cli.importing.sources import CannotCome, SourceFailed
from registry.formats.plain_yaml import read_yaml

MAX_META = 2**20
MAX_TAG = 2**20
MAX_METRIC = 64 * 2**20
"""Bytes of the file with the history of one metric."""


class MlflowFolder(LocalStore):
    """The registry in ``folder``; artifacts are read there, or below ``folders``."""

    def __init__(self, folder: Path, folders: Sequence[Path], most: int) -> None:
        """Raises SourceFailed where the folder has no models."""
        self.name = str(folder)
        self._folder = folder.resolve()
        super().__init__(ArtifactFolders(folders or [folder], most))
        self._models = self._folder / "models"
        if not self._models.is_dir():
            raise SourceFailed(
                f"{folder} has no folder models: it is no registry of MLflow.",
                WRONG_USAGE,
                advice="For a database, give --from sqlite:///mlflow.db.",
            )

    def registered_models(self) -> Iterator[Message]:
        for folder in self._folders_in(self._models, "models"):
            if not (folder / "meta.yaml").exists():
                continue
            yield {
                **self._meta(folder),
                "name": folder.name,
                "tags": self._texts(folder / "tags"),
                "aliases": self._texts(folder / "aliases"),
            }

    def model_versions(self, model: str) -> Iterator[Message]:
        for folder in self._folders_in(self._models / model, f"versions of {model}"):
            if not folder.name.startswith("version-"):
                continue
            message = self._meta(folder)
            if text_of(message, "current_stage") != "Deleted_Internal":
                yield {**message, "tags": self._texts(folder / "tags")}

    def run_metrics(self, run_id: str) -> Iterable[Message]:
        return self._metrics(self._run(run_id) / "metrics")

    def model_metrics(self, model_id: str) -> Iterable[Message]:
        found = self._one(f"*/models/{model_id}")
        if found is None:
            raise CannotCome(f"The folder of the logged model {model_id} is missing.")
        return self._metrics(found / "metrics")

    def close(self) -> None:
        pass  # each file is closed when it has been read

    def _artifacts_of_run(self, run_id: str) -> str:
        return text_of(self._meta(self._run(run_id)), "artifact_uri")

    def _run(self, run_id: str) -> Path:
        """The folder of a run. Raises CannotCome."""
        if (found := self._one(f"*/{run_id}")) is None:
            raise CannotCome(f"The folder of the run {run_id} is missing.")
        return found

    def _one(self, pattern: str) -> Path | None:
        return next((found for found in self._folder.glob(pattern) if found.is_dir()), None)

    def _meta(self, folder: Path) -> Message:
        content = self._content(folder / "meta.yaml", MAX_META)
        try:
            meta = read_yaml(content)
        except ValueError as error:
            raise SourceFailed(
                f"{folder / 'meta.yaml'} cannot be read: {error}.", SAID_NO
            ) from error
        if not isinstance(meta, dict):
            raise SourceFailed(f"{folder / 'meta.yaml'} is no mapping.", SAID_NO)
        return meta

    def _texts(self, folder: Path) -> dict[str, str]:
        """The texts of the files in a folder, by their paths: keys of tags may contain slashes."""
        found: dict[str, str] = {}
        for where, _, names in os.walk(folder):
            for name in names:
                path = Path(where, name)
                if len(found) >= MAX_VERSIONS:
                    raise too_many(self.name, f"files in {folder}")
                text = self._content(path, MAX_TAG).decode("utf-8", "replace")
                found[str(path.relative_to(folder))] = text
        return dict(sorted(found.items()))

    def _metrics(self, folder: Path) -> Iterator[Message]:
        """Each line of a metric's file is ``timestamp value [step …]``."""
        for where, _, names in os.walk(folder):
            for name in names:
                path = Path(where, name)
                lines = self._content(path, MAX_METRIC).decode("utf-8", "replace").splitlines()
                key = str(path.relative_to(folder))
                for timestamp, value, *rest in (line.split(" ") for line in lines if " " in line):
                    step = rest[0] if rest else "0"
                    yield {"key": key, "timestamp": timestamp, "value": value, "step": step}

    def _folders_in(self, folder: Path, what: str) -> list[Path]:
        """Raises SourceFailed."""
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    found.append(Path(entry.path))
                if len(found) > MAX_VERSIONS:
                    raise too_many(self.name, what)
        return sorted(found)

    def _content(self, path: Path, most: int) -> bytes:
        """Raises SourceFailed for what is no file of the folder, or too long."""
        real = real_path(path)
        if real is None or not real.is_relative_to(self._folder) or not real.is_file():
            raise SourceFailed(f"{path} is no file of {self.name}.", SAID_NO)
        if path.stat().st_size > most:
            raise SourceFailed(f"{path} has more than {most} bytes.", SAID_NO)
        return path.read_bytes()
