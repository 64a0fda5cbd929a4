"""New model versions, for MLflow's clients: of an uploaded directory, or of another version."""

import hashlib
from contextlib import nullcontext

import msgspec
from flask import Response, after_this_request

from api.access import grant
from api.protocols.mlflow import schemas
from api.protocols.mlflow.answers import Answer, version_answer
from api.protocols.mlflow.artifacts import UPLOADS
from api.protocols.mlflow.calls import VIA, as_mlflow_says, call
from api.protocols.mlflow.model_versions import find_current_version
from api.protocols.mlflow.registered_models import find_alias, find_current_model
from api.protocols.mlflow.requests import NewVersion
from api.protocols.mlflow.sources import OwnVersion, read_source
from api.services import services
from registry.blobs.disk_errors import storage_errors
from registry.blobs.uploads import FilePath
from registry.errors import ArtifactRefused, shown
from registry.mlflow_models.directory import ModelDirectory, read_directory
from registry.operations.copy_version import copy_version
from registry.operations.register import Metadata, Origin, register
from registry.reading.queries import find_version
from registry.reading.views import View
from registry.storage.idempotency import Idempotency


@call("POST", "/model-versions/create", "upload", NewVersion, schemas.VERSION)
def create_model_version(arguments: NewVersion) -> Answer:
    """Register an uploaded model directory, or a version again, as the next version of a model."""
    with services().database.read() as session:
        find_current_model(session, arguments.name)
    source = read_source(arguments.source)
    if isinstance(source, OwnVersion):
        made = _copied(source, arguments)
    else:
        made = _registered(source, arguments)
    with services().database.read() as session:
        row = find_version(session, arguments.name, str(made["version"]))
        return {"model_version": version_answer(row)}


def _copied(source: OwnVersion, arguments: NewVersion) -> View:
    grant().require(None, source.model)
    with services().database.read() as session:
        if source.alias is not None:
            number = find_alias(session, source.model, source.alias).number
        else:
            number = find_current_version(session, source.model, source.version or "").number
    original = (source.model, str(number))
    with as_mlflow_says(arguments.name):
        return copy_version(
            services().database,
            original,
            arguments.name,
            actor=grant().name,
            idempotency=_repeatable(arguments, *original),
            description=arguments.description,
            tags={tag.key: tag.value for tag in arguments.tags},
            origin=_origin(arguments),
        )


def _registered(source: FilePath, arguments: NewVersion) -> View:
    read = _read(source)
    digests = [blob.digest for blob in (read.artifact, read.files) if blob is not None]
    with read.artifact, read.files or nullcontext(), as_mlflow_says(arguments.name):
        result = register(
            services().database,
            services().inspector,
            arguments.name,
            read.artifact,
            Metadata(
                format=read.model.format,
                input_example=read.example,
                tags={tag.key: tag.value for tag in arguments.tags},
                description=arguments.description,
                environment=read.environment,
            ),
            actor=grant().name,
            idempotency=_repeatable(arguments, *digests),
            files=read.files,
            columns=read.columns,
            origin=_origin(arguments),
        )
    return result.view


def _read(source: FilePath) -> ModelDirectory:
    limit = services().settings.max_upload_bytes
    with services().uploads.reading(grant().token_id, source) as folder:
        if folder is None:
            path = shown("/".join((UPLOADS, *source)), 200)
            raise ArtifactRefused(f"This token has uploaded no directory {path}.")
        return read_directory(folder, services().blobs, limit)


def _repeatable(arguments: NewVersion, *what: str) -> Idempotency:
    """The key of this request, or of an equal one that was not answered: MLflow's clients repeat
    one whose connection broke, and send no key.

    ``what``: the bytes that the source has now.
    """
    requested = msgspec.json.encode([grant().token_id, arguments, what])
    fingerprint = hashlib.sha256(requested).hexdigest()
    with storage_errors():
        attempt = services().attempts.begin(fingerprint)

    @after_this_request
    def settle(response: Response) -> Response:
        is_answer = response.status_code < 500
        response.call_on_close(attempt.finish if is_answer else attempt.leave)
        return response

    return Idempotency(grant().token_id, attempt.key, fingerprint)


def _origin(arguments: NewVersion) -> Origin:
    more = {"run_link": arguments.run_link, "model_id": arguments.model_id}
    kept = {name: text for name, text in more.items() if text}
    return Origin(
        via=VIA,
        source=arguments.source,
        run_id=arguments.run_id,
        lineage={"mlflow": kept} if kept else {},
    )
