"""The files of model directories, for MLflow's clients: uploads that become versions."""

from pathlib import PurePosixPath
from typing import Any

from flask import Response, jsonify, request, send_file

from api.access import allows, grant
from api.bodies import receive_body
from api.protocols.mlflow import schemas
from api.protocols.mlflow.calls import blueprint
from api.sending import BYTES
from api.services import services
from registry.blobs.uploads import FilePath, parse_path
from registry.errors import PathMalformed, UploadNotFound

PATH = "/2.0/mlflow-artifacts/artifacts"
UPLOADS = "uploads"
"""The folder of what is uploaded. Each token has its own."""
MODELS = "models"
"""The folder of the versions."""

_TEXTS = frozenset({".json", ".txt", ".yaml", ".yml", ".md", ".csv"})
_FOLDERS = f"paths begin with '{UPLOADS}/'"


@blueprint.route(PATH, methods=["GET"])
@allows("any", checks_model=True)
@blueprint.doc(parameters=[{"in": "query", "name": "path", "schema": {"type": "string"}}])
@blueprint.response(200, schemas.FILES)
def list_artifacts() -> Response:
    """List the files and folders in a folder of the uploads of the token."""
    path = request.args.get("path", "").rstrip("/")
    if not path:
        return jsonify({})
    entries = services().uploads.entries(grant().token_id, _upload_path(path))
    files: list[dict[str, Any]] = [
        {"path": each.name, "is_dir": True}
        if each.size is None
        else {"path": each.name, "is_dir": False, "file_size": each.size}
        for each in entries
    ]
    return jsonify({"files": files} if files else {})


@blueprint.route(f"{PATH}/<file:path>", methods=["GET"])
@allows("any", checks_model=True)
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type=BYTES)
def get_artifact(path: str) -> Response:
    """Download a file of the uploads of the token."""
    file = services().uploads.open(grant().token_id, _upload_path(path))
    if file is None:
        raise UploadNotFound(path)
    name = PurePosixPath(path).name
    return send_file(file, _content_type(name), as_attachment=True, download_name=name)


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
    if top != UPLOADS:
        raise PathMalformed(path, _FOLDERS)
    return tuple(names)


def _content_type(name: str) -> str:
    """Text, or bytes: never anything that a browser renders."""
    if name == "MLmodel" or PurePosixPath(name).suffix in _TEXTS:
        return "text/plain"
    return BYTES
