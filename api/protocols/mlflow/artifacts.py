"""The files of model directories, for MLflow's clients: uploads, and those of the versions."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

from flask import Response, jsonify, request, send_file

from api.access import allows, grant
from api.bodies import receive_body
from api.protocols.mlflow import schemas
from api.protocols.mlflow.calls import PREFIX, blueprint, call
from api.protocols.mlflow.model_versions import find_current_version
from api.protocols.mlflow.requests import Version
from api.sending import BYTES
from api.services import services
from registry.blobs.uploads import Entry, FilePath, parse_path
from registry.errors import PathMalformed, UploadNotFound
from registry.mlflow_models.directory import MLMODEL
from registry.mlflow_models.generated import (
    ModelFile,
    check_loadable,
    entries_in,
    model_directory,
)

PATH = "/2.0/mlflow-artifacts/artifacts"
UPLOADS = "uploads"
"""The folder of what is uploaded. Each token has its own."""
MODELS = "models"
"""The folder of the versions, below their models."""

_TEXTS = frozenset({".json", ".txt", ".yaml", ".yml", ".md", ".csv"})


def artifacts_url() -> str:
    """The address of the artifacts, as the caller reached the service."""
    return f"{request.root_url.rstrip('/')}{PREFIX}{PATH}"


@call("GET", "/model-versions/get-download-uri", "any", Version, schemas.URI)
def get_model_version_download_uri(arguments: Version) -> dict[str, Any]:
    """Show where the files of a version are."""
    with services().database.read() as session:
        row = find_current_version(session, arguments.name, arguments.version)
        check_loadable(row)
    # Absolute: clients would resolve 'mlflow-artifacts:' at their tracking server.
    return {"artifact_uri": f"{artifacts_url()}/{MODELS}/{row.model}/{row.number}"}


@blueprint.route(PATH, methods=["GET"])
@allows("any", checks_model=True)
@blueprint.doc(parameters=[{"in": "query", "name": "path", "schema": {"type": "string"}}])
@blueprint.response(200, schemas.FILES)
def list_artifacts() -> Response:
    """List the files and folders in a folder of a version, or of the uploads of the token."""
    path = request.args.get("path", "").rstrip("/")
    files = [
        {"path": each.name, "is_dir": True}
        if each.size is None
        else {"path": each.name, "is_dir": False, "file_size": each.size}
        for each in (_entries(path) if path else ())
    ]
    return jsonify({"files": files} if files else {})


@blueprint.route(f"{PATH}/<file:path>", methods=["GET"])
@allows("any", checks_model=True)
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type=BYTES)
def get_artifact(path: str) -> Response:
    """Download a file of a version, or of the uploads of the token."""
    name = PurePosixPath(path).name
    if found := _version_path(path):
        model, version, inner = found
        if (file := _files_of(model, version).get(inner)) is None:
            raise UploadNotFound(path)
        return _send(name, file)
    upload = services().uploads.open(grant().token_id, _upload_path(path))
    if upload is None:
        raise UploadNotFound(path)
    return send_file(upload, _content_type(name), as_attachment=True, download_name=name)


@blueprint.route(f"{PATH}/<file:path>", methods=["PUT"])
@allows("upload", checks_model=True)
@blueprint.doc(
    requestBody={
        "required": True,
        "content": {BYTES: {"schema": {"type": "string", "format": "binary"}}},
    }
)
@blueprint.response(200, schemas.NOTHING)
def put_artifact(path: str) -> Response:
    """Upload a file of a model directory, which is kept for a day."""
    parsed = _upload_path(path)
    limit = services().settings.max_upload_bytes
    with services().blobs.stage(limit) as blob:
        receive_body(request.environ, blob.write, limit, "HOTSWAP_MAX_UPLOAD_MB")
        services().uploads.add(grant().token_id, parsed, blob)
    return jsonify({})


@blueprint.route(f"{PATH}/<file:path>", methods=["DELETE"])
@allows("upload", checks_model=True)
@blueprint.response(200, schemas.NOTHING)
def delete_artifact(path: str) -> Response:
    """Delete an uploaded file or folder."""
    parsed = _upload_path(path)
    if not parsed or not services().uploads.remove(grant().token_id, parsed):
        raise UploadNotFound(path)
    return jsonify({})


def _upload_path(path: str) -> FilePath:
    """The path below the uploads of a token. Raises PathMalformed."""
    top, *names = parse_path(path)
    if top == MODELS:
        raise PathMalformed(path, "the files of a version do not change")
    if top != UPLOADS:
        raise PathMalformed(path, f"paths begin with '{UPLOADS}/' or '{MODELS}/'")
    return tuple(names)


def _version_path(path: str) -> tuple[str, str, str] | None:
    """A model, a version and a path in its directory; None for a path elsewhere.

    Raises PathMalformed.
    """
    top, *names = parse_path(path)
    if top != MODELS or len(names) < 2:
        return None
    return names[0], names[1], "/".join(names[2:])


def _entries(path: str) -> Iterable[Entry]:
    """What is in the folder ``path``. Raises PathMalformed, and what ``_files_of`` raises."""
    if found := _version_path(path):
        return entries_in(_files_of(found[0], found[1]), found[2])
    if path.partition("/")[0] == MODELS:
        return []
    return services().uploads.entries(grant().token_id, _upload_path(path))


def _files_of(name: str, version: str) -> dict[str, ModelFile]:
    """The files of a version. Raises ModelForbidden, and what ``find_current_version`` and
    ``model_directory`` raise."""
    grant().require(None, name)
    with services().database.read() as session:
        row = find_current_version(session, name, version)
        return model_directory(row, services().blobs)


def _send(name: str, file: ModelFile) -> Response:
    blob = BytesIO() if file.digest is None else services().blobs.open(file.digest)
    response = Response(file.pieces(blob), mimetype=_content_type(name))
    response.call_on_close(blob.close)
    response.content_length = file.size
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def _content_type(name: str) -> str:
    """Text, or bytes: never anything that a browser renders."""
    if name == MLMODEL or PurePosixPath(name).suffix in _TEXTS:
        return "text/plain"
    return BYTES
