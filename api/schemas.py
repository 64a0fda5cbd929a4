"""Schemas of request and response bodies, for validation and for the OpenAPI document."""

import math
import re
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from registry.formats.reading import FORMATS
from registry.gates.grammar import ENGINES, MAX_GATES, MAX_LENGTH, PATTERN
from registry.names import ALIAS, MODEL_NAME
from registry.operations.create_token import MODEL_PATTERN
from registry.signature import COLUMN_TYPES, KINDS, MAX_COLUMN_NAME, TASKS
from registry.storage.tables import HOLDOUT_FORMATS, STATUSES
from registry.stored_text import MAX_DESCRIPTION, unstorable
from registry.tokens import SCOPES

MAX_PAGE_SIZE = 200
MAX_DEPTH = 64
_LARGEST = 2**31 - 1
_DIGITS = re.compile(r"-?[0-9]{1,20}")

STORABLE = r"^[^\u0000]*$"
"""What ``registry.stored_text`` accepts; lone surrogates are checked by it alone."""
_REFERENCE = rf"(?:0|[1-9][0-9]{{0,9}}|{ALIAS.pattern})"


class WholeNumber(fields.Integer):
    """A JSON integer: 142 and, as JSON Schema has it, 142.0; neither ``"142"`` nor true."""

    def _validated(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise self.make_error("invalid", input=value)
        return int(value)


class Flag(fields.Boolean):
    """A JSON boolean; neither ``"true"`` nor 1."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002 - marshmallow's own signature
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Number(fields.Float):
    """A finite JSON number; neither ``"1.5"`` nor true."""

    def _validated(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        try:
            number = float(value)
        except OverflowError as error:
            raise self.make_error("too_large", input=value) from error
        if not math.isfinite(number):
            raise self.make_error("special")
        return number


class QueryNumber(fields.Integer):
    """An integer in a query, in ASCII digits; Python would accept others, and ``1_000``."""

    def _validated(self, value: Any) -> int:
        if not (isinstance(value, str) and _DIGITS.fullmatch(value)):
            raise self.make_error("invalid", input=value)
        return int(value)


class AtMost(validate.Validator):
    """Validates that an object has at most ``most`` keys."""

    def __init__(self, most: int) -> None:
        self.most = most

    def __call__(self, value: dict[str, Any]) -> dict[str, Any]:
        if len(value) > self.most:
            raise ma.ValidationError(f"Longer than maximum length {self.most}.")
        return value


def _text(most: int, *, pattern: str = STORABLE, **options: Any) -> fields.String:
    metadata = {"pattern": pattern, **options.pop("metadata", {})}
    return fields.String(
        validate=[validate.Length(max=most), _storable], metadata=metadata, **options
    )


def _key() -> fields.String:
    return fields.String(
        validate=[validate.Length(min=1, max=200), _storable], metadata={"pattern": STORABLE}
    )


def _storable(text: str) -> None:
    if (why := unstorable(text)) is not None:
        raise ma.ValidationError(why)


def _in_utc(moment: datetime) -> None:
    try:
        moment.astimezone(UTC)
    except OverflowError as error:
        raise ma.ValidationError("The date is out of range.") from error


def _shallow(value: Any) -> None:
    """Limits nesting to what recursive code that copies or encodes the value can handle."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ma.ValidationError(f"Nested more than {MAX_DEPTH} levels deep.")


def _object() -> fields.Dict:
    return fields.Dict(keys=fields.String(), validate=_shallow)


def _tags(**options: Any) -> fields.Dict:
    return fields.Dict(keys=_key(), values=_text(1000), validate=AtMost(100), **options)


def _gates(**options: Any) -> "fields.List[Any]":
    return fields.List(
        _text(MAX_LENGTH, pattern=PATTERN),
        validate=validate.Length(max=MAX_GATES),
        metadata={
            "description": "Conditions added to the policy's, such as 'rmse <= champion * 1.02'.",
            "uniqueItems": True,
        },
        **options,
    )


def _force() -> Flag:
    return Flag(
        load_default=False,
        metadata={
            "description": "Move the alias although gates fail: requires scope admin and a reason."
        },
    )


def whole(grammar: re.Pattern[str]) -> str:
    """An anchored pattern: in JSON Schema an unanchored one matches anywhere in a text."""
    return f"^{grammar.pattern}$"


class StrictSchema(ma.Schema):
    """Refuses unknown keys."""

    class Meta:
        unknown = ma.RAISE


class OptionalBodySchema(StrictSchema):
    """A body that may be omitted; all of its fields are optional too."""


class PagingSchema(ma.Schema):
    page = QueryNumber(load_default=1, validate=validate.Range(1, 1_000_000))
    page_size = QueryNumber(load_default=50, validate=validate.Range(1, MAX_PAGE_SIZE))
    after = _text(
        200,
        metadata={
            "description": "Instead of 'page': the 'next' of the previous page. Each item is then "
            "returned once, even if others are added in the meantime."
        },
    )


class ModelQuerySchema(PagingSchema):
    q = _text(1_000, metadata={"description": "Part of the name, case-insensitive."})
    tag = _text(
        1_201,
        pattern=r"^([^\u0000:]*:[^\u0000]*)?$",
        metadata={"description": "key:value"},
    )


class VersionQuerySchema(PagingSchema):
    sort = _text(
        1_000,
        pattern=r"^(-?(version|created_at|metrics\.[^\u0000]+))?$",
        metadata={
            "description": "version, created_at or metrics.<name>; a leading '-' reverses it."
        },
    )
    status = fields.String(validate=validate.OneOf(STATUSES))


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


class ComparisonQuerySchema(ma.Schema):
    versions = _text(
        1_000,
        required=True,
        pattern=rf"^ *{_REFERENCE} *(, *{_REFERENCE} *){{1,9}}$",
        metadata={
            "description": "2 to 10 versions, separated by commas: numbers, aliases or 'latest'.",
            "example": "3,production",
        },
    )


class NewModelSchema(StrictSchema):
    name = fields.String(required=True, metadata={"pattern": whole(MODEL_NAME)})
    description = _text(MAX_DESCRIPTION, load_default="")
    tags = _tags(load_default=dict)


class ChangeSchema(StrictSchema):
    """A change of description and tags. Omitted fields keep their value; ``tags`` replaces all."""

    description = _text(MAX_DESCRIPTION)
    tags = _tags()


class MetadataSchema(StrictSchema):
    """The ``metadata`` part of an upload."""

    format = fields.String(metadata={"enum": list(FORMATS)})
    kind = fields.String(validate=validate.OneOf(KINDS))
    metrics = fields.Dict(keys=_key(), values=Number(), validate=AtMost(1000))
    params = _object()
    signature = _object()
    input_example = _object()
    tags = _tags()
    description = _text(MAX_DESCRIPTION)
    lineage = _object()
    environment = _object()
    evaluation = _object()


class PromoteSchema(OptionalBodySchema):
    alias = fields.String(load_default="production", metadata={"pattern": whole(ALIAS)})
    expected_version = WholeNumber(
        allow_none=True,
        validate=validate.Range(1, _LARGEST),
        metadata={"description": "The alias's current version; null: the alias must not exist."},
    )
    reason = _text(2_000, load_default=None, allow_none=True)
    force = _force()
    gates = _gates()


class EvaluateSchema(OptionalBodySchema):
    alias = fields.String(load_default="production", metadata={"pattern": whole(ALIAS)})
    gates = _gates(load_default=list)


class PolicyChangeSchema(StrictSchema):
    gates = _gates(required=True)


class HoldoutTargetSchema(ma.Schema):
    target = _text(
        MAX_COLUMN_NAME,
        metadata={"description": "The target column; default: the newest version's."},
    )


class HoldoutQuerySchema(PagingSchema):
    history = fields.Boolean(
        load_default=False, metadata={"description": "List all holdouts, also earlier ones."}
    )


class RollbackSchema(OptionalBodySchema):
    alias = fields.String(load_default="production", metadata={"pattern": whole(ALIAS)})
    to_version = WholeNumber(
        load_default=None, allow_none=True, validate=validate.Range(1, _LARGEST)
    )
    reason = _text(2_000, load_default=None, allow_none=True)


class AliasTargetSchema(StrictSchema):
    version = WholeNumber(required=True, validate=validate.Range(1, _LARGEST))
    expected_version = WholeNumber(allow_none=True, validate=validate.Range(1, _LARGEST))
    reason = _text(2_000, load_default=None, allow_none=True)
    force = _force()
    gates = _gates()


class NewTokenSchema(StrictSchema):
    name = fields.String(
        required=True,
        validate=[validate.Length(min=1, max=200), _storable],
        metadata={"pattern": STORABLE},
    )
    scopes = fields.List(
        fields.String(validate=validate.OneOf(SCOPES)),
        required=True,
        validate=validate.Length(min=1, max=len(SCOPES)),
    )
    models = fields.List(
        fields.String(metadata={"pattern": whole(MODEL_PATTERN)}),
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=1000),
        metadata={
            "minItems": 1,
            "description": "Model names, with the wildcards * and ?; null: all models.",
        },
    )
    expires_at = fields.AwareDateTime(
        format="iso",
        load_default=None,
        allow_none=True,
        validate=_in_utc,
        metadata={"description": "A time in the future."},
    )


class ColumnSchema(ma.Schema):
    name = fields.String()
    type = fields.String(metadata={"enum": list(COLUMN_TYPES)})
    nullable = fields.Boolean()


class OutputSchema(ma.Schema):
    name = fields.String()
    type = fields.String(metadata={"enum": list(COLUMN_TYPES)})
    classes = fields.List(fields.Raw(metadata={"type": ["string", "number", "boolean"]}))


class SignatureSchema(ma.Schema):
    inputs = fields.List(fields.Nested(ColumnSchema))
    output = fields.Nested(OutputSchema)


class ArtifactSchema(ma.Schema):
    format = fields.String(metadata={"enum": list(FORMATS)})
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


class ComparedVersionSchema(ma.Schema):
    """One of the compared versions."""

    reference = fields.String(metadata={"description": "as requested"})
    version = fields.Integer()
    status = fields.String(metadata={"enum": list(STATUSES)})
    kind = fields.String(metadata={"enum": list(KINDS)})
    task = fields.String(metadata={"enum": list(TASKS)})
    aliases = fields.List(fields.String())
    description = fields.String()
    engine = fields.String(allow_none=True)
    format = fields.String(metadata={"enum": list(FORMATS)})
    size = fields.Integer(metadata={"description": "bytes"})
    created_at = fields.String(metadata={"format": "date-time"})
    created_by = fields.String()


class ComparedSchema(ma.Schema):
    """One value of each version, in the order of the request."""

    name = fields.String()
    values = fields.List(fields.Raw(allow_none=True))
    missing = fields.List(
        fields.Integer(),
        metadata={"description": "The versions without a value; theirs is null."},
    )
    differs = fields.Boolean()


class ComparedMetricSchema(ComparedSchema):
    values = fields.List(fields.Float(allow_none=True))
    better = fields.String(allow_none=True, metadata={"enum": ["higher", "lower", None]})
    best = fields.List(
        fields.Integer(), metadata={"description": "The versions with the best value."}
    )


class MeasuredMetricSchema(ComparedMetricSchema):
    holdouts = fields.List(
        fields.String(allow_none=True),
        metadata={
            "description": "The SHA-256 of the holdout that each value was measured on, or the "
            "event that recorded it. If they differ, 'best' is empty."
        },
    )


class ComparisonSchema(ma.Schema):
    model = fields.String()
    versions = fields.List(fields.Nested(ComparedVersionSchema))
    metrics = fields.List(
        fields.Nested(ComparedMetricSchema),
        metadata={"description": "As claimed by the uploaders."},
    )
    measured = fields.List(
        fields.Nested(MeasuredMetricSchema),
        metadata={
            "description": "Measured by the registry when gates were evaluated, on the latest "
            "holdout that all of the versions were measured on, if there is one."
        },
    )
    params = fields.List(fields.Nested(ComparedSchema))
    signature = fields.List(fields.Nested(ComparedSchema))
    lineage = fields.List(fields.Nested(ComparedSchema))
    environment = fields.List(fields.Nested(ComparedSchema))


class ModelSchema(ma.Schema):
    name = fields.String()
    description = fields.String()
    tags = fields.Dict(keys=fields.String(), values=fields.String())
    aliases = fields.Dict(keys=fields.String(), values=fields.Integer())
    status = fields.String(metadata={"enum": ["active", "archived"]})
    last_version = fields.Integer(allow_none=True)
    generation = fields.Integer(
        metadata={"description": "Increases whenever an alias of the model moves."}
    )
    created_at = fields.String(metadata={"format": "date-time"})
    created_by = fields.String()


class EventSchema(ma.Schema):
    seq = fields.Integer()
    at = fields.String(metadata={"format": "date-time"})
    type = fields.String()
    actor = fields.String()
    reason = fields.String(allow_none=True)
    alias = fields.String(allow_none=True)
    from_version = fields.Integer(allow_none=True)
    to_version = fields.Integer(allow_none=True)
    details = fields.Dict(keys=fields.String())
    hash = fields.String()


class AliasSchema(ma.Schema):
    alias = fields.String()
    version = fields.Integer()


class GateResultSchema(ma.Schema):
    """The result of a gate, and the values that it compared."""

    gate = fields.String()
    passed = fields.Boolean()
    candidate = fields.Float(allow_none=True)
    champion = fields.Float(allow_none=True)
    reason = fields.String(allow_none=True)
    interval = fields.List(
        fields.Float(),
        metadata={
            "description": "95% interval of the candidate's value minus the one compared with."
        },
    )
    measured = fields.String(allow_none=True, metadata={"enum": ["holdout", "claimed", None]})
    holdout = fields.String(
        metadata={"description": "The SHA-256 of the holdout that it was measured on."}
    )


class MovedSchema(ma.Schema):
    """The response to promote, rollback and PUT of an alias."""

    model = fields.String()
    alias = fields.String()
    version = fields.Integer()
    previous_version = fields.Integer(allow_none=True)
    generation = fields.Integer()
    gates = fields.List(fields.Nested(GateResultSchema))


class MeasuredSchema(ma.Schema):
    """The metrics of a version; ``reason`` if it could not be measured."""

    version = fields.Integer()
    metrics = fields.Dict(keys=fields.String(), values=fields.Float())
    measured_on = fields.String(allow_none=True, metadata={"enum": ["holdout", "claimed", None]})
    reason = fields.String(allow_none=True)


class DifferenceSchema(ma.Schema):
    """The candidate's value minus the champion's, and its 95% bootstrap interval."""

    value = fields.Float()
    interval = fields.List(fields.Float(), allow_none=True)


class UsedHoldoutSchema(ma.Schema):
    sha256 = fields.String()
    rows = fields.Integer()
    target = fields.String()


class EvaluationSchema(ma.Schema):
    model = fields.String()
    alias = fields.String()
    passed = fields.Boolean()
    candidate = fields.Nested(MeasuredSchema)
    champion = fields.Nested(MeasuredSchema, allow_none=True)
    differences = fields.Dict(keys=fields.String(), values=fields.Nested(DifferenceSchema))
    holdout = fields.Nested(UsedHoldoutSchema, allow_none=True)
    gates = fields.List(fields.Nested(GateResultSchema))


class PolicySchema(ma.Schema):
    gates = fields.List(fields.String())
    updated_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    updated_by = fields.String(allow_none=True)


class HoldoutSchema(ma.Schema):
    sha256 = fields.String()
    size = fields.Integer(metadata={"description": "bytes"})
    format = fields.String(metadata={"enum": list(HOLDOUT_FORMATS)})
    rows = fields.Integer()
    columns = fields.List(fields.String())
    target = fields.String()
    created_at = fields.String(metadata={"format": "date-time"})
    created_by = fields.String()
    removed_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    removed_by = fields.String(allow_none=True)


class HoldoutsSchema(HoldoutSchema):
    """The current holdout; with ``history=true`` a page of all holdouts instead."""

    items = fields.List(fields.Nested(HoldoutSchema))
    page = fields.Integer()
    page_size = fields.Integer()
    total = fields.Integer()
    next = fields.String()


class TokenSchema(ma.Schema):
    id = fields.Integer()
    name = fields.String()
    scopes = fields.List(fields.String(metadata={"enum": list(SCOPES)}))
    models = fields.List(fields.String(), allow_none=True)
    created_at = fields.String(metadata={"format": "date-time"})
    created_by = fields.String()
    expires_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    revoked_at = fields.String(allow_none=True, metadata={"format": "date-time"})


class MadeTokenSchema(TokenSchema):
    token = fields.String(metadata={"description": "Shown only in this response."})


class FaultSchema(ma.Schema):
    at = fields.String(required=True)
    message = fields.String(required=True)


class ProblemSchema(ma.Schema):
    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    request_id = fields.String(required=True)
    errors = fields.List(fields.Nested(FaultSchema))
    gates = fields.List(
        fields.Nested(GateResultSchema),
        metadata={"description": "The result of every gate, if one failed."},
    )


class _PlainSchema(ma.Schema):
    """Describes data that is plain JSON already, and returns it unchanged: copying the items of a
    page field by field takes as long as reading them from the database."""

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:  # noqa: ARG002 - marshmallow's own signature
        return obj


def page_of(item: type[ma.Schema], name: str) -> type[ma.Schema]:
    """The schema of a list whose items are of the schema ``item``."""
    return _PlainSchema.from_dict(
        {
            "items": fields.List(fields.Nested(item)),
            "page": fields.Integer(),
            "page_size": fields.Integer(),
            "total": fields.Integer(),
            "next": fields.String(
                metadata={
                    "description": "Present if there are more items: 'after' for the next page."
                }
            ),
        },
        name=name,
    )


ModelPageSchema = page_of(ModelSchema, "ModelPage")
VersionPageSchema = page_of(VersionSchema, "VersionPage")
EventPageSchema = page_of(EventSchema, "EventPage")
TokenPageSchema = page_of(TokenSchema, "TokenPage")
AliasPageSchema = page_of(AliasSchema, "AliasPage")
