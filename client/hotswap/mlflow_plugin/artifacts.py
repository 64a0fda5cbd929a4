"""The files of a version, which MLflow reads to load a model."""

from pathlib import Path
from typing import NoReturn

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.utils.uri import validate_path_is_safe

from hotswap.mlflow_plugin.exceptions import mlflow_exceptions
from hotswap.mlflow_plugin.service import ARTIFACTS, Service


class VersionArtifacts(ArtifactRepository):  # type: ignore[misc]  # as RegistryStore
    """Reads the files below a URI of ``RegistryStore.get_model_version_download_uri``.

    MLflow's own repository for ``http://`` would send MLFLOW_TRACKING_TOKEN. Raises MlflowException
    for a URI on a host that is no registry of the user's.
    """

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        # Late, because MLflow loads its plugins while it is being imported.
        from mlflow import get_registry_uri

        super().__init__(artifact_uri, tracking_uri, registry_uri)
        address, _, self._root = artifact_uri.rstrip("/").partition(f"{ARTIFACTS}/")
        with mlflow_exceptions():
            self._service = Service.of_artifacts(address, registry_uri or get_registry_uri())

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """The files and directories in ``path``."""
        with mlflow_exceptions():
            found = self._service.files(self._below(path))
        prefix = f"{path}/" if path else ""
        return [
            FileInfo(
                prefix + validate_path_is_safe(each["path"]), each["is_dir"], each.get("file_size")
            )
            for each in found
        ]

    def log_artifact(self, *_: object, **__: object) -> NoReturn:
        """Always raises MlflowException: what is registered does not change."""
        raise MlflowException(
            "The files of a registered version cannot be changed: register another version.",
            INVALID_PARAMETER_VALUE,
        )

    log_artifacts = log_artifact

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        with mlflow_exceptions():
            self._service.fetch(self._below(remote_file_path), Path(local_path))

    def _below(self, path: str | None) -> str:
        return f"{self._root}/{path}" if path else self._root
