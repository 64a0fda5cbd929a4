"""Schemas of the health of the service."""

import marshmallow as ma
from marshmallow import fields

_RESULT = {"enum": ["ok", "warning", "fault"]}
_TIME = {"format": "date-time"}
_ADMIN = "Only for a token with the scope 'admin' for all models. "


class HealthProblemSchema(ma.Schema):
    level = fields.String(metadata=_RESULT)
    message = fields.String()
    advice = fields.String()


class LoadedVersionSchema(ma.Schema):
    model = fields.String()
    version = fields.Integer()
    bytes = fields.Integer(metadata={"description": "The size of its artifact."})
    last_used_at = fields.String(metadata=_TIME)
    kept = fields.String(
        metadata={
            "enum": ["alias", "previous", "cache"],
            "description": "An alias points at it, or did before its last move; or it was requested"
            " by its number, and stays while there is room in the cache.",
        }
    )


class UnloadedVersionSchema(ma.Schema):
    model = fields.String()
    version = fields.Integer()
    reason = fields.String(
        metadata={"description": "'loading', or the last part of a problem's type."}
    )


class WorkerSchema(ma.Schema):
    pid = fields.Integer()
    since = fields.String(metadata=_TIME)
    reported_at = fields.String(metadata=_TIME)
    memory_bytes = fields.Integer(
        metadata={"description": "Resident memory, what workers share included in each."}
    )
    busy = fields.Integer(metadata={"description": "Requests that it answered at that time."})
    places = fields.Integer(metadata={"description": "Requests that it answers at once; 0: any."})
    cache_bytes = fields.Integer()
    cache_limit_bytes = fields.Integer(
        metadata={"description": "Applies to the versions that are kept because of 'cache'."}
    )
    loaded = fields.List(fields.Nested(LoadedVersionSchema))
    unloaded = fields.List(
        fields.Nested(UnloadedVersionSchema),
        metadata={"description": "Versions that an alias points at, and that are not loaded."},
    )


class DatabaseSchema(ma.Schema):
    kind = fields.String(metadata={"enum": ["SQLite", "PostgreSQL"]})
    readable = fields.Boolean()
    bytes = fields.Integer(allow_none=True)


class DiskUseSchema(ma.Schema):
    """Bytes of the files of the data directory; each file counts once, whatever uses it."""

    artifacts = fields.Integer(metadata={"description": "Uploaded models."})
    compiled = fields.Integer(metadata={"description": "Compiled forms of models."})
    data = fields.Integer(metadata={"description": "Holdouts, and hashes of training rows."})
    unused = fields.Integer(metadata={"description": "What 'hotswap gc' removes once it is old."})
    incoming = fields.Integer(
        metadata={
            "description": "Uploads in progress, what interrupted ones left, and directories that"
            " MLflow's clients uploaded."
        }
    )
    damaged = fields.Integer(metadata={"description": "Files that lost the bytes of their digest."})
    cache = fields.Integer(
        metadata={
            "description": "Copies on this host of files in a bucket, which the others then count."
        }
    )
    measured_at = fields.String(metadata=_TIME)


class DiskSchema(ma.Schema):
    total_bytes = fields.Integer()
    free_bytes = fields.Integer()
    used_bytes = fields.Nested(
        DiskUseSchema,
        allow_none=True,
        metadata={"description": "Measured every ten minutes; null before the first time."},
    )


class FindingSchema(ma.Schema):
    check = fields.String()
    result = fields.String(metadata=_RESULT)
    message = fields.String()
    advice = fields.String()


class HealthSchema(ma.Schema):
    status = fields.String(required=True, metadata=_RESULT)
    summary = fields.String(required=True)
    workers = fields.Integer(
        required=True, metadata={"description": "The workers of this server that run."}
    )
    version = fields.String(required=True, metadata={"description": "The release."})
    schema = fields.String(required=True)
    problems = fields.List(fields.Nested(HealthProblemSchema), metadata={"description": _ADMIN})
    worker_reports = fields.List(fields.Nested(WorkerSchema), metadata={"description": _ADMIN})
    replaced_workers = fields.Integer(
        allow_none=True,
        metadata={"description": _ADMIN + "Workers that ended since the server started."},
    )
    database = fields.Nested(DatabaseSchema, metadata={"description": _ADMIN})
    disk = fields.Nested(DiskSchema, allow_none=True, metadata={"description": _ADMIN})
    last_backup = fields.String(
        allow_none=True,
        metadata={
            **_TIME,
            "description": _ADMIN + "The last complete 'hotswap backup', if there is a note of it.",
        },
    )
    findings = fields.List(
        fields.Nested(FindingSchema),
        metadata={"description": _ADMIN + "Of those checks of 'hotswap doctor' that are quick."},
    )
