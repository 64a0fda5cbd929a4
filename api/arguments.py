"""Parsing JSON bodies and query strings with marshmallow, and reporting each fault."""

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import marshmallow as ma
import msgspec
from flask import Request
from webargs.flaskparser import FlaskParser

from api.bodies import MAX_JSON_BODY, read_body
from api.schemas.bases import OptionalBodySchema
from registry.errors import (
    BodyMalformed,
    BodyRefused,
    Fault,
    FormatUnsupported,
    MetadataRefused,
    ParameterMalformed,
)
from registry.reading.pages import Paging

JSON = "application/json"


class Parser(FlaskParser):
    """Raises RegistryErrors: 400 for a query, 415 and 400 for what is not JSON, 422 for a body."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "json": ma.RAISE}

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        body = read_body(req.environ, MAX_JSON_BODY)
        if not body and isinstance(schema, OptionalBodySchema):
            return {}
        if not body:
            raise BodyRefused("The body is missing; a JSON object is required.")
        if req.mimetype != JSON:
            raise FormatUnsupported(f"Content-Type must be {JSON}.")
        return parse_json(body, "The body")

    def handle_error(
        self,
        error: ma.ValidationError,
        req: Request,  # noqa: ARG002 - webargs' own signature
        schema: ma.Schema,  # noqa: ARG002 - the same
        **_: Any,
    ) -> NoReturn:
        messages: Any = error.messages
        for location, found in messages.items():
            faults = list(flatten(found))
            if location == "query":
                raise ParameterMalformed(faults[0].at, faults[0].message)
            raise BodyRefused("The body does not match the schema.", faults)
        raise BodyRefused("The body does not match the schema.")


def paging_of(query: Mapping[str, Any]) -> Paging:
    """The page that a query of PagingSchema names. Raises ParameterMalformed."""
    return Paging(query["page"], query["page_size"], query.get("after"))


def parse_json(text: bytes | str, what: str) -> Any:
    """Raises BodyMalformed."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyMalformed(f"{what} is not JSON: {error}.") from error
    except RecursionError as error:
        raise BodyMalformed(f"{what} is nested too deeply.") from error


def load_metadata(schema: ma.Schema, value: Any) -> dict[str, Any]:
    """Raises MetadataRefused."""
    try:
        loaded: dict[str, Any] = schema.load(value)
    except ma.ValidationError as error:
        raise MetadataRefused(
            "The metadata does not match the schema.",
            flatten(error.messages, whole="metadata"),
        ) from error
    return loaded


def flatten(messages: Any, at: str = "", *, whole: str = "body") -> Iterator[Fault]:
    """marshmallow's nested messages as a flat sequence of faults.

    ``whole`` is the location of a fault that belongs to no single field.
    """
    if isinstance(messages, Mapping) and _of_one_entry(messages):
        for found in messages.values():
            yield from flatten(found, at, whole=whole)
    elif isinstance(messages, Mapping):
        for key, found in messages.items():
            yield from flatten(found, _joined(at, key), whole=whole)
    elif isinstance(messages, list):
        for message in messages:
            yield from flatten(message, at, whole=whole)
    else:
        yield Fault(at or whole, str(messages))


def _of_one_entry(messages: Mapping[Any, Any]) -> bool:
    """Whether these are the messages of fields.Dict for one entry, whose key is one level above."""
    return messages.keys() <= {"key", "value"} and all(
        isinstance(found, list) for found in messages.values()
    )


def _joined(at: str, key: object) -> str:
    if key in ("_schema", ""):
        return at
    if isinstance(key, int):
        return f"{at}[{key}]"
    return f"{at}.{key}" if at else str(key)
