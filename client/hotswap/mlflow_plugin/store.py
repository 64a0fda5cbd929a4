"""MLflow's registry in the service: versions are made from files that the plugin sends.

MLflow's own REST store sends the location of the files alone, which no server can read that has
not the credentials of the user's tracking server.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelTag,
)
from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.store.artifact.utils.models import _parse_model_uri
from mlflow.store.model_registry.rest_store import RestStore
from mlflow.utils.proto_json_utils import parse_dict
from mlflow.utils.rest_utils import MlflowHostCreds
from mlflow.utils.uri import is_models_uri

from hotswap.address import service_address
from hotswap.mlflow_plugin.exceptions import mlflow_exceptions
from hotswap.mlflow_plugin.service import ARTIFACTS, SCHEME, Service

_MODEL_FILE = "MLmodel"


class RegistryStore(RestStore):  # type: ignore[misc]  # mlflow is not installed where types are checked
    """The registry of the service at ``store_uri``; ``tracking_uri`` has the models' files."""

    def __init__(self, store_uri: str, tracking_uri: str | None = None) -> None:
        """Raises MlflowException for a URI that names no service."""
        with mlflow_exceptions():
            self._service = Service(store_uri)
        self._tracking_uri = tracking_uri
        super().__init__(self._credentials)

    def create_registered_model(
        self,
        name: str,
        tags: list[RegisteredModelTag] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
    ) -> RegisteredModel:
        """Create a model without versions. Raises MlflowException, also for a prompt."""
        if any(tag.key == IS_PROMPT_TAG_KEY for tag in tags or []):
            raise MlflowException(
                f"Hotswap keeps models, and no prompts: register {name!r} with an MLflow server.",
                INVALID_PARAMETER_VALUE,
            )
        return super().create_registered_model(name, tags, description, deployment_job_id)

    def create_model_version(  # noqa: PLR0917 - MLflow's own signature, which it inspects
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: list[ModelVersionTag] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Send the model's files and register them.

        They are read from ``local_model_path``, or else from ``source`` as MLflow reads it. A
        ``source`` such as ``models:/name/1`` or ``models:/name@alias`` is a version of this
        registry, which the service copies itself.
        Raises MlflowException; no version is then made.
        """
        details = (tags, run_link, description)
        if _is_version(source):
            return super().create_model_version(name, source, run_id, *details, model_id=model_id)
        if not run_id and model_id:
            # As MLflow's own server does; log_model passes the logged model alone.
            run_id = MlflowClient(self._tracking_uri).get_logged_model(model_id).source_run_id
        with (
            mlflow_exceptions(),
            self._model_files(source, local_model_path) as folder,
            self._service.staged(folder) as path,
        ):
            staged = f"mlflow-artifacts:{path}"
            return super().create_model_version(name, staged, run_id, *details, model_id=model_id)

    def get_model_version_download_uri(self, name: str, version: str) -> str:
        """The URI of the files of a version, for the plugin's own artifact repository."""
        uri = super().get_model_version_download_uri(name, version)
        _, found, path = str(uri).partition(f"{ARTIFACTS}/")
        if not found:
            raise MlflowException(f"The service answered a download URI without {ARTIFACTS}: {uri}")
        # At the address of the registry: behind a proxy the service may know another one.
        return f"{SCHEME}+{self._service.url}{found}{path}"

    @contextmanager
    def _model_files(self, source: str, local_model_path: str | None) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="hotswap-") as empty:
            folder = local_model_path or download_artifacts(
                artifact_uri=source, dst_path=empty, tracking_uri=self._tracking_uri
            )
            if not Path(folder, _MODEL_FILE).is_file():
                raise MlflowException(
                    f"{source!r} is not the directory of an MLflow model: it has no {_MODEL_FILE}.",
                    INVALID_PARAMETER_VALUE,
                )
            yield Path(folder)

    def _call_endpoint(self, api: Any, json_body: str | None, *_: object, **__: object) -> Any:
        """As RestStore's, with the token, the timeouts and the few retries of the client."""
        path, method = self._get_endpoint_from_method(api)
        with mlflow_exceptions():
            answer = self._service.call(method, path, json.loads(json_body or "{}"))
        message = self._get_response_from_method(api)
        parse_dict(answer, message)
        return message

    def _credentials(self) -> MlflowHostCreds:
        """For the calls of webhooks, which RestStore sends itself, and the service refuses."""
        return MlflowHostCreds(self._service.url, token=service_address(None, None)[1])


def _is_version(source: str) -> bool:
    return is_models_uri(source) and _parse_model_uri(source).model_id is None
