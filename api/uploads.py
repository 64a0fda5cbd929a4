"""Uploads, streamed into the blob store while they arrive."""

from collections import Counter
from itertools import chain
from typing import IO, Any, cast

from flask import Flask, Request, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.utils import cached_property

from api.access import allows, grant
from api.arguments import load_metadata, parse_json
from api.blueprints import IDEMPOTENCY_KEY, Blueprint, idempotency, replay_header
from api.bodies import BodyStream
from api.schemas.versions import MetadataSchema, UploadQuerySchema, VersionSchema
from api.services import services
from hotswap.evaluation.row_hashes import MAX_BYTES
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
from registry.reading.views import View

blueprint = Blueprint("uploads", __name__, description="Uploads of trained models")

MAX_METADATA = 4 * 2**20
_MULTIPART_OVERHEAD = 64 * 2**10
_FORM = "multipart/form-data"
_PARTS = frozenset({"artifact", "metadata", "training_rows"})


class StreamingRequest(Request):
    """Streams uploaded files into the blob store, hashed, instead of a temporary folder."""

    max_form_parts = 8

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.staged: list[StagedBlob] = []

    @cached_property
    def stream(self) -> IO[bytes]:
        """The decoded body, up to ``max_content_length``; reading raises if it is incomplete."""
        limit = self.max_content_length or 0
        return cast("IO[bytes]", BodyStream(self.environ, limit, "HOTSWAP_MAX_UPLOAD_MB"))

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

    def make_form_data_parser(self) -> FormDataParser:
        """A parser that raises for an incomplete form instead of treating it as an empty one."""
        parser = super().make_form_data_parser()
        parser.silent = False
        return parser


def discard_uploads(app: Flask) -> None:
    """Discard the uploads of each request to ``app`` that were not kept, however it ends."""

    @app.teardown_request
    def discard(_: BaseException | None) -> None:
        for blob in getattr(request, "staged", ()):
            blob.close()


@blueprint.route("/models/<name>/versions", methods=["POST"])
@allows("upload")
@blueprint.arguments(UploadQuerySchema, location="query")
@blueprint.response(201, VersionSchema, headers={"Location": {"schema": {"type": "string"}}})
@blueprint.doc(
    parameters=[IDEMPOTENCY_KEY],
    requestBody={
        "required": True,
        "content": {
            _FORM: {
                "schema": {
                    "type": "object",
                    "required": ["artifact"],
                    "additionalProperties": False,
                    "properties": {
                        "artifact": {"type": "string", "format": "binary"},
                        "metadata": {"$ref": "#/components/schemas/Metadata"},
                        "training_rows": {
                            "type": "string",
                            "format": "binary",
                            "description": "Hashes of the rows that it was trained on, as written "
                            "by hotswap.evaluation.row_hashes.",
                        },
                    },
                }
            }
        },
    },
)
def post_version(query: dict[str, Any], name: str) -> tuple[View, int, dict[str, str]]:
    """Upload a trained model as the next version. No alias moves."""
    check_model_name(name)
    artifact, fields = _read_form()
    metadata = Metadata(
        **{**fields, "format": _format(fields.get("format"), artifact.filename or "")}
    )
    blob = cast("StagedBlob", artifact.stream)
    training_rows = _training_rows()
    digests = [blob.digest] if training_rows is None else [blob.digest, training_rows.digest]
    result = register(
        services().database,
        services().inspector,
        name,
        blob,
        metadata,
        actor=grant().name,
        idempotency=idempotency(metadata.fingerprint(name, *digests)),
        reuse=query["reuse"],
        training_rows=training_rows,
    )
    made = {"name": result.view["model"], "version": result.view["version"]}
    location = url_for("versions.get_version", **made)
    return result.view, 201, {"Location": location, **replay_header(result)}


def _read_form() -> tuple[FileStorage, dict[str, Any]]:
    """The artifact and the validated metadata."""
    if request.mimetype != _FORM:
        raise FormatUnsupported(f"Content-Type must be {_FORM}.")
    if "boundary" not in request.mimetype_params:
        raise BodyMalformed(f"The Content-Type {_FORM} has no boundary.")
    _check_parts(_receive())
    artifact = request.files.get("artifact")
    if artifact is None:
        fault = Fault("artifact", "is required")
        raise ArtifactRefused("The form has no artifact: send the model's file.", [fault])
    return artifact, load_metadata(MetadataSchema(), parse_json(_metadata_text(), "The metadata"))


def _training_rows() -> StagedBlob | None:
    if "training_rows" in request.form:
        fault = Fault("training_rows", "must have a filename")
        raise MetadataRefused("The part training_rows is not a file.", [fault])
    sent = request.files.get("training_rows")
    return None if sent is None else cast("StagedBlob", sent.stream)


def _receive() -> Counter[str]:
    """Read fields into memory and files into the blob store; count the parts by name."""
    limit = services().settings.max_upload_bytes
    request.max_content_length = limit + MAX_METADATA + MAX_BYTES + _MULTIPART_OVERHEAD
    request.max_form_memory_size = MAX_METADATA
    try:
        files, fields = request.files, request.form
    except RequestEntityTooLarge as error:
        most = (
            f"{limit} bytes of artifact, {MAX_METADATA} bytes of metadata, {MAX_BYTES} bytes "
            f"of training rows and {request.max_form_parts} parts"
        )
        raise TooLarge("The form", most, "HOTSWAP_MAX_UPLOAD_MB") from error
    except ValueError as error:
        raise BodyMalformed(f"The body is not a complete {_FORM}: {error}.") from error
    return Counter(
        name or "" for name, _ in chain(files.items(multi=True), fields.items(multi=True))
    )


def _check_parts(sent: Counter[str]) -> None:
    faults = [
        Fault(part or "body", f"unknown part: expected {', '.join(sorted(_PARTS))}")
        for part in sorted(sent.keys() - _PARTS)
    ]
    faults += [Fault(part, "was sent more than once") for part in sorted(_PARTS) if sent[part] > 1]
    if faults:
        raise MetadataRefused("The form has unknown or repeated parts.", faults)


def _metadata_text() -> bytes | str:
    """The metadata part, which some clients send as a field and some as a file."""
    sent = request.files.get("metadata")
    if sent is None:
        field = request.form.get("metadata") or "{}"
        if "\ufffd" in field:
            # What werkzeug substitutes for bytes that are not UTF-8.
            raise BodyMalformed("The metadata is not UTF-8.")
        return field
    text = sent.stream.read(MAX_METADATA + 1)
    if len(text) > MAX_METADATA:
        raise TooLarge("The metadata", f"{MAX_METADATA} bytes")
    return text


def _format(named: str | None, filename: str) -> Format:
    return format_of_filename(filename) if named is None else parse_format(named)
