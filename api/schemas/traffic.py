"""Schemas of the predictions of a model's versions over time."""

import marshmallow as ma
from marshmallow import fields, validate

from api.schemas.fields import LARGEST_VERSION, QueryNumber, in_utc
from registry.watching.recorded_traffic import WINDOWS

_SECONDS = {
    "description": "Within this time that share of the answered ones were answered, estimated from "
    "a histogram; null without any."
}


class TrafficQuerySchema(ma.Schema):
    window = fields.String(
        load_default="1h",
        validate=validate.OneOf(list(WINDOWS)),
        metadata={"description": "Minutes are kept for 24 hours, hours for 30 days."},
    )
    until = fields.AwareDateTime(
        validate=in_utc,
        metadata={"description": "The end of the window, with a time zone; now by default."},
    )
    version = QueryNumber(validate=validate.Range(1, LARGEST_VERSION))


class TrafficPointSchema(ma.Schema):
    at = fields.String(metadata={"format": "date-time", "description": "The beginning."})
    requests = fields.Integer()
    ok = fields.Integer()
    refused = fields.Integer()
    failed = fields.Integer()
    p99_seconds = fields.Float(allow_none=True, metadata=_SECONDS)


class VersionTrafficSchema(ma.Schema):
    version = fields.Integer()
    requests = fields.Integer()
    ok = fields.Integer(metadata={"description": "Answered with 200."})
    refused = fields.Integer(metadata={"description": "Answered with a status from 400 to 499."})
    failed = fields.Integer(metadata={"description": "Answered with a status from 500."})
    by_number_share = fields.Float(
        metadata={
            "description": "The part of the requests that named the version by its number, which "
            "promotions and rollbacks do not move."
        }
    )
    p50_seconds = fields.Float(allow_none=True, metadata=_SECONDS)
    p95_seconds = fields.Float(allow_none=True, metadata=_SECONDS)
    p99_seconds = fields.Float(allow_none=True, metadata=_SECONDS)
    series = fields.List(
        fields.Nested(TrafficPointSchema),
        metadata={"description": "Oldest first; without those in which there was no request."},
    )


class TrafficSchema(ma.Schema):
    model = fields.String()
    window = fields.String(metadata={"enum": list(WINDOWS)})
    since = fields.String(metadata={"format": "date-time"})
    until = fields.String(metadata={"format": "date-time"})
    step_seconds = fields.Integer(metadata={"description": "The length of a point of the series."})
    versions = fields.List(fields.Nested(VersionTrafficSchema))
