"""Uploads, streamed into the blob store while they arrive."""

from collections import Counter
from itertools import chain
from typing import IO, Any, cast

from flask import Flask, Request, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.utils import cached_property

from api.access import allows, grant
from api.arguments import load_metadata, parse_json
from api.blueprints import IDEMPOTENCY_KEY, Blueprint, idempotency, replay_header
from api.bodies import BodyStream
from api.schemas import MetadataSchema, UploadQuerySchema, VersionSchema
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
from registry.reading.queries import View

blueprint = Blueprint("uploads", __name__, description="Uploads of trained models")

MAX_METADATA = 4 * 2**20
_MULTIPART_OVERHEAD = 64 * 2**10
_FORM = "multipart/form-data"
_PARTS = frozenset({"artifact", "metadata"})


class StreamingRequest(Request):
    """Sends uploaded files to the blob store, hashed on the way, instead of a temporary folder."""

    max_form_parts = 8

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.staged: list[StagedBlob] = []

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body, which raises where it is not whole; up to ``max_content_length``, decoded."""
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
        """One that says so where a form breaks off, instead of taking it for an empty one."""
        parser = super().make_form_data_parser()
        parser.silent = False
        return parser


def discard_uploads(app: Flask) -> None:
    """Let go of what a request of ``app`` received and did not keep, however the request ends."""

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
                    },
                }
            }
        },
    },
)
def post_version(query: dict[str, Any], name: str) -> tuple[View, int, dict[str, str]]:
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
        reuse=query["reuse"],
    )
    location = f"/models/{outcome.view['model']}/{outcome.view['version']}"
    return outcome.view, 201, {"Location": location, **replay_header(outcome)}


def _read_form() -> tuple[FileStorage, dict[str, Any]]:
    """The artifact's part and the metadata, checked."""
    if request.mimetype != _FORM:
        raise FormatUnsupported(f"Content-Type must be {_FORM}.")
    if "boundary" not in request.mimetype_params:
        raise BodyMalformed(f"The Content-Type {_FORM} names no boundary.")
    _check_parts(_receive())
    artifact = request.files.get("artifact")
    if artifact is None:
        fault = Fault("artifact", "a file is asked")
        raise ArtifactRefused("There is no artifact: send the model's file.", [fault])
    return artifact, load_metadata(MetadataSchema(), parse_json(_metadata_text(), "The metadata"))


def _receive() -> Counter[str]:
    """Read the whole body, fields into memory, files into the blob store; count its parts."""
    limit = services().settings.max_upload_bytes
    request.max_content_length = limit + MAX_METADATA + _MULTIPART_OVERHEAD
    request.max_form_memory_size = MAX_METADATA
    try:
        files, fields = request.files, request.form
    except RequestEntityTooLarge as error:
        most = (
            f"{limit} bytes of artifact, {MAX_METADATA} bytes of metadata and "
            f"{request.max_form_parts} parts"
        )
        raise TooLarge("The form", most, "HOTSWAP_MAX_UPLOAD_MB") from error
    except ValueError as error:
        raise BodyMalformed(f"The body is no whole {_FORM}: {error}.") from error
    return Counter(
        name or "" for name, _ in chain(files.items(multi=True), fields.items(multi=True))
    )


def _check_parts(sent: Counter[str]) -> None:
    faults = [
        Fault(part or "body", "the parts are 'artifact' and 'metadata'")
        for part in sorted(sent.keys() - _PARTS)
    ]
    faults += [Fault(part, "is there twice") for part in sorted(_PARTS) if sent[part] > 1]
    if faults:
        raise MetadataRefused("The form has parts that are not asked.", faults)


def _metadata_text() -> bytes | str:
    """The metadata part, which some clients send as a field and some as a file."""
    sent = request.files.get("metadata")
    if sent is None:
        field = request.form.get("metadata") or "{}"
        if "\ufffd" in field:
            # werkzeug's mark for bytes that are no text; nobody writes it on purpose.
            raise BodyMalformed("The metadata is not UTF-8.")
        return field
    text = sent.stream.read(MAX_METADATA + 1)
    if len(text) > MAX_METADATA:
        raise TooLarge("The metadata", f"{MAX_METADATA} bytes")
    return text


def _format(said: str | None, filename: str) -> Format:
    return format_of_filename(filename) if said is None else parse_format(said)
