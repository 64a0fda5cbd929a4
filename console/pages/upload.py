"""Upload a version: a form, and what was read from the file."""

from typing import Any, cast

import marshmallow as ma
from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows, grant
from api.arguments import load_metadata, parse_json
from api.problems import status_of
from api.schemas.versions import MetadataSchema
from api.services import services
from api.sessions import db
from api.upload_forms import metadata_text, receive_form, sent_artifact
from api.uploads import declared_metadata
from console.forms.once import KEY_FIELD, idempotency_of
from console.forms.submitted import Form, submitted
from console.forms.tags import read_tag_lines
from console.rendering import page
from registry.blobs.store import StagedBlob
from registry.errors import (
    ArtifactRefused,
    BodyMalformed,
    Conflict,
    Fault,
    FormatUnsupported,
    ModelNotFound,
    Refused,
    TooLarge,
)
from registry.names import check_model_name
from registry.operations.register import register
from registry.reading.queries import find_model, find_version
from registry.reading.views import View, model_view, version_view
from registry.stored_text import MAX_DESCRIPTION

blueprint = Blueprint("upload", __name__)

_PARTS = frozenset({"artifact", "metadata", "description", "tags", KEY_FIELD})
_REFUSALS = (Refused, Conflict, TooLarge, FormatUnsupported, BodyMalformed)


class UploadForm(ma.Schema):
    description = ma.fields.String(load_default="")
    tags = ma.fields.String(load_default="")


@blueprint.route("/models/<name>/upload", methods=["GET"])
@allows("upload")
def show(name: str) -> Response:
    """The form of an upload; after one, what was read from the file."""
    check_model_name(name)
    uploaded = request.args.get("uploaded")
    version = None if not uploaded else version_view(find_version(db.session(), name, uploaded))
    return _page(name, Form(), version=version)


@blueprint.route("/models/<name>/upload", methods=["POST"])
@allows("upload")
def upload(name: str) -> AnyResponse:
    """Register the file as the next version, as the API does. No alias moves."""
    check_model_name(name)
    form = Form()
    try:
        receive_form(_PARTS)
        form = submitted(UploadForm)
        view = _registered(name, form)
    except _REFUSALS as error:
        refused = form.refused(error.detail, error.faults)
        return _page(name, refused, status=status_of(type(error)))
    return redirect(url_for("console.upload.show", name=name, uploaded=view["version"]), 303)


def _registered(name: str, form: Form) -> View:
    """The version that the received form makes."""
    artifact = sent_artifact()
    if not artifact.filename:
        raise ArtifactRefused("No file was chosen.", [Fault("artifact", "choose a file")])
    sent = request.files.get("metadata")
    text = metadata_text() if sent is not None and sent.filename else "{}"
    declared = parse_json(text, "The metadata")
    if isinstance(declared, dict):
        declared = _with_typed(declared, form)
    fields = load_metadata(MetadataSchema(), declared)
    metadata = declared_metadata(fields, artifact.filename)
    blob = cast("StagedBlob", artifact.stream)
    return register(
        services().database,
        services().inspector,
        name,
        blob,
        metadata,
        actor=grant().name,
        idempotency=idempotency_of(form, f"upload {metadata.fingerprint(name, blob.digest)}"),
    ).view


def _with_typed(declared: dict[str, Any], form: Form) -> dict[str, Any]:
    """The metadata of the file with the description and tags that were typed, which win.

    Raises MetadataRefused.
    """
    typed = read_tag_lines(form.text("tags"))
    merged = dict(declared)
    if typed:
        known = declared.get("tags", {})
        merged["tags"] = {**known, **typed} if isinstance(known, dict) else known
    if description := form.text("description"):
        merged["description"] = description
    return merged


def _page(name: str, form: Form, *, version: View | None = None, status: int = 200) -> Response:
    try:
        model = model_view(find_model(db.session(), name))
    except ModelNotFound:
        model = None
    return page(
        "upload.html",
        status,
        name=name,
        model=model,
        version=version,
        form=form,
        largest=services().settings.max_upload_bytes,
        longest=MAX_DESCRIPTION,
    )
