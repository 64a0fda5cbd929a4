"""Forms with files, streamed into the blob store while they arrive."""

from collections import Counter
from itertools import chain
from typing import IO, Any, cast

from flask import Flask, Request, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.utils import cached_property

from api.bodies import BodyStream
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

MAX_METADATA = 4 * 2**20
FORM = "multipart/form-data"
_MULTIPART_OVERHEAD = 64 * 2**10


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


def receive_form(parts: frozenset[str]) -> None:
    """Receive the form of the current request, which has no part but ``parts``.

    Raises FormatUnsupported, BodyMalformed, TooLarge, MetadataRefused.
    """
    if request.mimetype != FORM:
        raise FormatUnsupported(f"Content-Type must be {FORM}.")
    if "boundary" not in request.mimetype_params:
        raise BodyMalformed(f"The Content-Type {FORM} has no boundary.")
    _check_parts(_receive(), parts)


def sent_artifact() -> FileStorage:
    """The file of the received form. Raises ArtifactRefused."""
    artifact = request.files.get("artifact")
    if artifact is None:
        fault = Fault("artifact", "is required")
        raise ArtifactRefused("The form has no artifact: send the model's file.", [fault])
    return artifact


def metadata_text() -> bytes | str:
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
        raise BodyMalformed(f"The body is not a complete {FORM}: {error}.") from error
    return Counter(
        name or "" for name, _ in chain(files.items(multi=True), fields.items(multi=True))
    )


def _check_parts(sent: Counter[str], parts: frozenset[str]) -> None:
    faults = [
        Fault(part or "body", f"unknown part: expected {', '.join(sorted(parts))}")
        for part in sorted(sent.keys() - parts)
    ]
    faults += [Fault(part, "was sent more than once") for part in sorted(parts) if sent[part] > 1]
    if faults:
        raise MetadataRefused("The form has unknown or repeated parts.", faults)
