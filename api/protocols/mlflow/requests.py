"""What MLflow's clients send: a JSON object, or the query of a GET.

Unknown members are ignored, and null is as good as nothing. The names and defaults are those of
https://github.com/mlflow/mlflow/blob/master/mlflow/protos/model_registry.proto.
"""

import re
from typing import Annotated, Any, TypeVar

import msgspec
from flask import request
from msgspec import Meta, Struct

from api.access import grant
from api.bodies import MAX_JSON_BODY, read_body
from api.codings import decoded_if_encoded
from api.schemas.fields import STORABLE, whole
from registry.errors import BodyMalformed, BodyRefused, Fault, ParameterMalformed
from registry.names import ALIAS, MODEL_NAME
from registry.operations.register import MAX_RUN_ID, MAX_SOURCE
from registry.stored_text import MAX_DESCRIPTION, MAX_TAG_KEY, MAX_TAG_VALUE, MAX_TAGS

_Arguments = TypeVar("_Arguments", bound=Struct)

Key = Annotated[str, Meta(min_length=1, max_length=MAX_TAG_KEY, pattern=STORABLE)]
Value = Annotated[str, Meta(max_length=MAX_TAG_VALUE, pattern=STORABLE)]
Description = Annotated[str, Meta(max_length=MAX_DESCRIPTION, pattern=STORABLE)]

Name = Annotated[str, Meta(extra_json_schema={"pattern": whole(MODEL_NAME)})]
AliasName = Annotated[str, Meta(extra_json_schema={"pattern": whole(ALIAS)})]
Number = Annotated[str, Meta(extra_json_schema={"pattern": "^[1-9][0-9]{0,9}$"})]
"""Described, not checked: the errors of these are the service's own."""

_MISSING = re.compile(r"Object missing required field `(\w+)`")


class Tag(Struct):
    key: Key
    value: Value = ""


class Model(Struct):
    name: Name


class NewModel(Model):
    tags: Annotated[list[Tag], Meta(max_length=MAX_TAGS)] = []
    description: Description = ""


class ModelChange(Model):
    description: Description | None = None


class Rename(Model):
    new_name: str = ""


class Stages(Model):
    stages: list[str] = []


class ModelTag(Model):
    key: Key
    value: Value = ""


class ModelTagKey(Model):
    key: Key


class Alias(Model):
    alias: AliasName


class AliasTarget(Alias):
    version: Number


class Version(Model):
    version: Number


class NewVersion(Model):
    source: Annotated[str, Meta(min_length=1, max_length=MAX_SOURCE, pattern=STORABLE)]
    run_id: Annotated[str, Meta(max_length=MAX_RUN_ID, pattern=STORABLE)] = ""
    tags: Annotated[list[Tag], Meta(max_length=MAX_TAGS)] = []
    run_link: Annotated[str, Meta(max_length=2_000, pattern=STORABLE)] = ""
    description: Description = ""
    model_id: Annotated[str, Meta(max_length=128, pattern=STORABLE)] = ""


class VersionChange(Version):
    description: Description | None = None


class VersionTag(Version):
    key: Key
    value: Value = ""


class VersionTagKey(Version):
    key: Key


class StageChange(Version):
    stage: str = ""
    archive_existing_versions: bool = False


class ModelSearch(Struct):
    filter: str = ""
    max_results: Annotated[int, Meta(ge=1, le=1_000)] = 100
    order_by: list[str] = []
    page_token: str = ""


class VersionSearch(Struct):
    filter: str = ""
    max_results: Annotated[int, Meta(ge=1, le=200_000)] = 10_000
    order_by: list[str] = []
    page_token: str = ""


def is_query() -> bool:
    """Whether the arguments of the current request are in its query."""
    return request.method in {"GET", "HEAD"}


def read_request(arguments: type[_Arguments]) -> _Arguments:
    """The arguments of the current request; its Content-Type is ignored.

    Raises ParameterMalformed, BodyMalformed, BodyRefused, what ``read_body`` raises, and
    ModelForbidden where the token does not cover the model that is named.
    """
    given = _query(arguments) if is_query() else _body()
    given = {name: value for name, value in given.items() if value is not None}
    try:
        found = msgspec.convert(given, type=arguments, strict=not is_query())
    except msgspec.ValidationError as error:
        raise _refused(str(error)) from error
    if isinstance(found, Model):
        grant().require(None, found.name)
    return found


def schema_of(arguments: type[Struct]) -> dict[str, Any]:
    """The JSON Schema of the arguments, without references."""
    (schema,), components = msgspec.json.schema_components([arguments], ref_template="{name}")
    inlined: dict[str, Any] = _inline(schema, components)
    return inlined


def body_schema_of(arguments: type[Struct]) -> dict[str, Any]:
    """As ``schema_of``, for a body, where every member that is not required may be null."""
    schema = schema_of(arguments)
    for name, member in schema["properties"].items():
        if name not in schema["required"]:
            schema["properties"][name] = {"anyOf": [member, {"type": "null"}]}
    return schema


def _query(arguments: type[Struct]) -> dict[str, Any]:
    lists = {field.name for field in msgspec.structs.fields(arguments) if field.name in _LISTS}
    return {
        name: values if name in lists else values[0]
        for name, values in request.args.to_dict(flat=False).items()
    }


_LISTS = {"order_by", "stages"}
"""Arguments that a query has once for each element."""


def _body() -> dict[str, Any]:
    body = read_body(request.environ, MAX_JSON_BODY, decode=decoded_if_encoded)
    try:
        body.decode()
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except msgspec.ValidationError as error:
        raise BodyRefused("The body must be a JSON object.") from error
    except RecursionError as error:
        raise BodyMalformed("The body is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyMalformed(f"The body is not JSON: {error}.") from error


def _refused(message: str) -> BodyRefused | ParameterMalformed:
    message, _, place = message.partition(" - at `$.")
    at, message = place.rstrip("`"), message.replace("`", "'")
    if missing := _MISSING.match(message.replace("'", "`")):
        at = f"{at}.{missing[1]}" if at else missing[1]
        message = f"Missing value for required parameter '{at}'"
    if is_query():
        return ParameterMalformed(at, f"{message}.")
    return BodyRefused(f"Invalid value for '{at}': {message}.", [Fault(at, message)])


def _inline(schema: Any, components: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inline(item, components) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inline(components[schema["$ref"]], components)
    return {key: _inline(value, components) for key, value in schema.items() if key != "title"}
