"""What the OpenAPI document says of the answers to MLflow's clients."""

from api.protocols.schemas import Schema, list_of, object_of

_TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": "integer", "description": "Milliseconds since 1970."}
_TAGS = list_of(object_of({"key": _TEXT, "value": _TEXT}))
_VERSION = object_of(
    {
        "name": _TEXT,
        "version": {"type": "string", "pattern": "^[1-9][0-9]*$"},
        "creation_timestamp": _TIME,
        "last_updated_timestamp": _TIME,
        "user_id": _TEXT,
        "current_stage": {"const": "None"},
        "description": _TEXT,
        "source": _TEXT,
        "run_id": _TEXT,
        "run_link": _TEXT,
        "status": {"enum": ["READY", "PENDING_REGISTRATION", "FAILED_REGISTRATION"]},
    },
    model_id=_TEXT,
    status_message=_TEXT,
    tags=_TAGS,
    aliases=list_of(_TEXT),
)
_MODEL = object_of(
    {
        "name": _TEXT,
        "creation_timestamp": _TIME,
        "last_updated_timestamp": _TIME,
        "user_id": _TEXT,
    },
    description=_TEXT,
    latest_versions=list_of(_VERSION),
    tags=_TAGS,
    aliases=list_of(object_of({"alias": _TEXT, "version": _TEXT})),
)

MODEL = object_of({"registered_model": _MODEL})
MODELS = object_of({}, registered_models=list_of(_MODEL), next_page_token=_TEXT)
VERSION = object_of({"model_version": _VERSION})
VERSIONS = object_of({}, model_versions=list_of(_VERSION), next_page_token=_TEXT)
NOTHING = object_of({})
SERVER = object_of(
    {
        "store_type": _TEXT,
        "workspaces_enabled": {"const": False},
        "multipart_uploads_enabled": {"const": False},
        "multipart_downloads_enabled": {"const": False},
    }
)
FILES = object_of(
    {},
    files=list_of(
        object_of({"path": _TEXT, "is_dir": {"type": "boolean"}}, file_size={"type": "integer"})
    ),
)
URI = object_of({"artifact_uri": {"type": "string", "format": "uri"}})
