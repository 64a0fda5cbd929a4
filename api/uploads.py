"""Uploads of models."""

from typing import Any, cast

from flask import request, url_for

from api.access import allows, grant
from api.arguments import load_metadata, parse_json
from api.blueprints import IDEMPOTENCY_KEY, Blueprint, idempotency, replay_header
from api.schemas.versions import MetadataSchema, UploadQuerySchema, VersionSchema
from api.services import services
from api.upload_forms import FORM, metadata_text, receive_form, sent_artifact
from registry.blobs.store import StagedBlob
from registry.errors import Fault, MetadataRefused
from registry.formats.reading import Format, format_of_filename, parse_format
from registry.names import check_model_name
from registry.operations.register import MAX_RUN_ID, MAX_SOURCE, Metadata, Origin, register
from registry.reading.views import View
from registry.stored_text import unstorable

blueprint = Blueprint("uploads", __name__, description="Uploads of trained models")

_PARTS = frozenset({"artifact", "metadata", "training_rows"})


@blueprint.route("/models/<name>/versions", methods=["POST"])
@allows("upload")
@blueprint.arguments(UploadQuerySchema, location="query")
@blueprint.response(201, VersionSchema, headers={"Location": {"schema": {"type": "string"}}})
@blueprint.doc(
    parameters=[IDEMPOTENCY_KEY],
    requestBody={
        "required": True,
        "content": {
            FORM: {
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
    """Upload a trained model as the next version. No alias moves.

    A version that is given its number requires the scope admin.
    """
    check_model_name(name)
    receive_form(_PARTS)
    artifact = sent_artifact()
    fields = load_metadata(MetadataSchema(), parse_json(metadata_text(), "The metadata"))
    if "version" in fields:
        grant().require("admin", name)
    metadata = declared_metadata(fields, artifact.filename or "")
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
        origin=_origin(metadata.lineage.get("mlflow")),
    )
    made = {"name": result.view["model"], "version": result.view["version"]}
    location = url_for("versions.get_version", **made)
    return result.view, 201, {"Location": location, **replay_header(result)}


def declared_metadata(fields: dict[str, Any], filename: str) -> Metadata:
    """What MetadataSchema loaded; the format by the name of the file unless it is declared.

    Raises FormatUnsupported.
    """
    named = fields.get("format")
    format_: Format = format_of_filename(filename) if named is None else parse_format(named)
    return Metadata(**{**fields, "format": format_})


def _origin(told: object) -> Origin | None:
    """What the lineage of a version that was imported from MLflow says, by which MLflow's clients
    find it here too; None where it says nothing that they could have said."""
    if not isinstance(told, dict):
        return None
    source, run_id = told.get("source"), told.get("run_id", "")
    if not (_is_text(source, MAX_SOURCE) and source and _is_text(run_id, MAX_RUN_ID)):
        return None
    return Origin(via=None, source=source, run_id=run_id)


def _is_text(value: object, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most and unstorable(value) is None


def _training_rows() -> StagedBlob | None:
    if "training_rows" in request.form:
        fault = Fault("training_rows", "must have a filename")
        raise MetadataRefused("The part training_rows is not a file.", [fault])
    sent = request.files.get("training_rows")
    return None if sent is None else cast("StagedBlob", sent.stream)
