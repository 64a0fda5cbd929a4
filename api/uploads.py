"""Uploads, streamed into the blob store while they arrive."""

from typing import IO, Any, cast

from flask import Flask, Request, request
from werkzeug.datastructures import FileStorage

from api.access import allows, grant
from api.arguments import load_metadata, parse_json
from api.blueprints import Blueprint, idempotency, replay_header
from api.schemas import MetadataSchema, VersionSchema
from api.services import services
from registry.blobs.store import StagedBlob
from registry.errors import (
    ArtifactRefused,
    BodyMalformed,
    Fault,
    FormatUnsupported,
    MetadataRefused,
    TooLarge,
)
from registry.formats.reading import Format, format_of_filename, parse_format
from registry.names import check_model_name
from registry.operations.register import Metadata, register
from registry.queries import View

blueprint = Blueprint("uploads", __name__, description="Uploads of trained models")

MAX_METADATA = 4 * 2**20
_MULTIPART_OVERHEAD = 64 * 2**10
_FORM = "multipart/form-data"


class StreamingRequest(Request):
    """Sends uploaded files to the blob store, hashed on the way, instead of a temporary folder."""

    max_form_parts = 8

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.staged: list[StagedBlob] = []

    def _get_file_stream(
        self,
        total_content_length: int | None,  # noqa: ARG002 - werkzeug's own signature
        content_type: str | None,  # noqa: ARG002 - the same
        filename: str | None = None,  # noqa: ARG002 - the same
        content_length: int | None = None,  # noqa: ARG002 - the same
    ) -> IO[bytes]:
        blob = services().blobs.stage(services().settings.max_upload_bytes)
        self.staged.append(blob)
        return cast("IO[bytes]", blob)


def discard_uploads(app: Flask) -> None:
    """Let go of what a request of ``app`` received and did not keep, however the request ends."""

    @app.teardown_request
    def discard(_: BaseException | None) -> None:
        for blob in getattr(request, "staged", ()):
            blob.close()


@blueprint.route("/models/<name>/versions", methods=["POST"])
@allows("upload")
@blueprint.response(201, VersionSchema, headers={"Location": {"schema": {"type": "string"}}})
@blueprint.doc(
    parameters=[
        {
            "in": "header",
            "name": "Idempotency-Key",
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
            "description": "The same key again brings the first answer and makes nothing.",
        }
    ],
    requestBody={
        "required": True,
        "content": {
            _FORM: {
                "schema": {
                    "type": "object",
                    "required": ["artifact"],
                    "properties": {
                        "artifact": {"type": "string", "format": "binary"},
                        "metadata": {"$ref": "#/components/schemas/Metadata"},
                    },
                }
            }
        },
    },
)
def post_version(name: str) -> tuple[View, int, dict[str, str]]:
    """Upload a trained model as the next version. No alias moves."""
    check_model_name(name)
    artifact, said = _read_form()
    metadata = Metadata(**{**said, "format": _format(said.get("format"), artifact.filename or "")})
    blob = cast("StagedBlob", artifact.stream)
    outcome = register(
        services().database,
        services().inspector,
        name,
        blob,
        metadata,
        actor=grant().name,
        idempotency=idempotency(metadata.fingerprint(name, blob.digest)),
    )
    location = f"/models/{outcome.view['model']}/{outcome.view['version']}"
    return outcome.view, 201, {"Location": location, **replay_header(outcome)}


def _read_form() -> tuple[FileStorage, dict[str, Any]]:
    """The artifact's part and the metadata, checked."""
    if request.mimetype != _FORM:
        raise FormatUnsupported(f"Content-Type must be {_FORM}.")
    limit = services().settings.max_upload_bytes
    request.max_content_length = limit + MAX_METADATA + _MULTIPART_OVERHEAD
    request.max_form_memory_size = MAX_METADATA
    if "boundary" not in request.mimetype_params:
        raise BodyMalformed(f"The Content-Type {_FORM} names no boundary.")
    parts = set(request.files) | set(request.form)
    if unknown := sorted(parts - {"artifact", "metadata"}):
        raise MetadataRefused(
            "The form has parts that are not asked.",
            [Fault(part, "the parts are 'artifact' and 'metadata'") for part in unknown],
        )
    artifact = request.files.get("artifact")
    if artifact is None:
        fault = Fault("artifact", "a file is asked")
        raise ArtifactRefused("There is no artifact: send the model's file.", [fault])
    return artifact, load_metadata(MetadataSchema(), parse_json(_metadata_text(), "The metadata"))


def _metadata_text() -> bytes | str:
    """The metadata part, which some clients send as a field and some as a file."""
    sent = request.files.get("metadata")
    if sent is None:
        return request.form.get("metadata") or "{}"
    text = sent.stream.read(MAX_METADATA + 1)
    if len(text) > MAX_METADATA:
        raise TooLarge("The metadata", f"{MAX_METADATA} bytes")
    return text


def _format(said: str | None, filename: str) -> Format:
    return format_of_filename(filename) if said is None else parse_format(said)
