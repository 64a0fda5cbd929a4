"""Schemas of versions, uploads and model cards."""

import marshmallow as ma
from marshmallow import fields, validate

from api.schemas.bases import PagingSchema, StrictSchema, page_of
from api.schemas.fields import (
    AtMost,
    Number,
    WholeNumber,
    baseline_field,
    intervals_field,
    json_object,
    key,
    tag_in_query,
    tags_field,
    text,
)
from api.schemas.signatures import (
    DECLARED_FORMAT,
    DECLARED_SIGNATURE,
    FORMAT,
    SignatureSchema,
)
from registry.gates.grammar import ENGINES
from registry.signature import KINDS, TASKS
from registry.storage.tables import STATUSES
from registry.stored_text import MAX_DESCRIPTION

EVALUATION = {
    "properties": {
        "profile": {
            "anyOf": [{"$ref": "#/components/schemas/Profile"}, {"type": "null"}],
            "description": "null: the version has none.",
        }
    }
}
"""What is specified of an evaluation; its other parts are shown as they were uploaded."""


MAX_GIVEN_NUMBER = 1_000_000_000
"""It leaves as many numbers for the versions after it."""


class VersionQuerySchema(PagingSchema):
    sort = text(
        1_000,
        pattern=r"^(-?(version|created_at|metrics\.[^\u0000]+))?$",
        metadata={
            "description": "version, created_at or metrics.<name>; a leading '-' reverses it."
        },
    )
    status = fields.String(validate=validate.OneOf(STATUSES))
    kind = fields.String(validate=validate.OneOf(KINDS))
    tag = tag_in_query()
    include = fields.String(
        validate=validate.OneOf(("intervals",)),
        metadata={"description": "intervals: add metric_intervals and baseline to each version."},
    )


class UploadQuerySchema(ma.Schema):
    reuse = fields.Boolean(
        load_default=False,
        metadata={
            "description": "If a ready version has the same bytes, metrics, signature and lineage "
            "(except parent_version), return it with 'Idempotent-Replayed: true' instead of "
            "creating another."
        },
    )


class CardQuerySchema(ma.Schema):
    format = fields.String(
        validate=validate.OneOf(("markdown", "html")),
        metadata={"description": "Overrides the Accept header."},
    )


class MetadataSchema(StrictSchema):
    """The ``metadata`` part of an upload."""

    format = fields.String(metadata=DECLARED_FORMAT)
    kind = fields.String(validate=validate.OneOf(KINDS))
    metrics = fields.Dict(keys=key(), values=Number(), validate=AtMost(1000))
    params = json_object()
    signature = json_object(**DECLARED_SIGNATURE)
    input_example = json_object()
    tags = tags_field()
    description = text(MAX_DESCRIPTION)
    lineage = json_object()
    environment = json_object()
    evaluation = json_object(**EVALUATION)
    version = WholeNumber(
        validate=validate.Range(1, MAX_GIVEN_NUMBER),
        metadata={
            "description": "The number of the version, by default the next one. It must be larger "
            "than those of all versions that the model has had. Requires the scope admin: for "
            "versions that are imported from another registry with their numbers."
        },
    )


class ArtifactSchema(ma.Schema):
    format = fields.String(metadata=FORMAT)
    sha256 = fields.String()
    size = fields.Integer(metadata={"description": "bytes"})


class EngineSchema(ma.Schema):
    """The engine that computes predictions, and how far they differ from scikit-learn's."""

    name = fields.String(metadata={"enum": list(ENGINES)})
    reason = fields.String(
        metadata={"description": "Why a faster engine is not used; absent if none is faster."}
    )
    max_abs_diff = fields.Float()
    max_rel_diff = fields.Float()
    checked_rows = fields.Integer()
    memory_bytes = fields.Integer(
        metadata={
            "description": "About what a worker holds in memory while the version is loaded. Absent"
            " if a process of its own answers: scikit-learn, or ONNX Runtime for an uploaded file."
        }
    )


class VersionSchema(ma.Schema):
    model = fields.String()
    version = fields.Integer()
    status = fields.String(metadata={"enum": list(STATUSES)})
    failure = fields.String()
    kind = fields.String(metadata={"enum": list(KINDS)})
    task = fields.String(metadata={"enum": list(TASKS)})
    aliases = fields.List(fields.String())
    description = fields.String()
    tags = fields.Dict(keys=fields.String(), values=fields.String())
    metrics = fields.Dict(keys=fields.String(), values=fields.Float())
    params = fields.Dict(keys=fields.String())
    signature = fields.Nested(SignatureSchema)
    input_example = fields.Dict(keys=fields.String(), allow_none=True)
    artifact = fields.Nested(ArtifactSchema)
    engine = fields.Nested(EngineSchema)
    lineage = fields.Dict(keys=fields.String())
    environment = fields.Dict(keys=fields.String())
    created_at = fields.String(metadata={"format": "date-time"})
    created_by = fields.String()


class ListedVersionSchema(VersionSchema):
    metric_intervals = intervals_field()
    baseline = baseline_field()


VersionPageSchema = page_of(ListedVersionSchema, "VersionPage")


class CompiledSchema(ma.Schema):
    """The compiled forms of a version."""

    model = fields.String()
    version = fields.Integer()
    signature = fields.Nested(SignatureSchema)
    engine = fields.Nested(EngineSchema)
    forms = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "The SHA-256 of each form, by its name; empty if there is none."},
    )
