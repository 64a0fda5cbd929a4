"""The OpenAPI document and the page to try the API, which needs no internet access."""

import re
from collections.abc import Sequence
from threading import Lock
from typing import Any, cast

import marshmallow as ma
from flask import Flask, Response, current_app, jsonify, render_template, request
from flask_smorest import Api

from api.access import access_of, allows
from api.blueprints import Blueprint
from api.codings import ACCEPTED
from api.problems import CONTENT_TYPE
from api.protocols.scoring.problems import PATHS as SCORING
from api.release import RELEASE
from api.routing import VerbConverter
from api.schemas.fields import AtMost, whole
from api.schemas.problems import ProblemSchema
from api.schemas.versions import EVALUATION, MetadataSchema
from api.unconfirmed import HOSTS_HEADER
from registry.names import ALIAS, MODEL_NAME
from registry.plots.content import PLOTS
from registry.reading.profiles import openapi_schemas

blueprint = Blueprint("documents", __name__, description="Documentation of the API", produces=None)

_KEY = "hotswap-document"
_SCHEMES = ("bearer", "basic")
_NAMES: dict[str, dict[str, str]] = {
    "name": {"pattern": whole(MODEL_NAME)},
    "version": {
        "pattern": rf"^([1-9][0-9]{{0,9}}|{ALIAS.pattern})$",
        "description": "A version's number, an alias or 'latest'.",
    },
    "alias": {"pattern": whole(ALIAS)},
    "token_id": {"pattern": "^[0-9]{1,9}$"},
    "alert_id": {"pattern": "^[0-9]{1,9}$"},
    "webhook_id": {"pattern": "^[0-9]{1,9}$"},
    "host": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"},
    "delivery_id": {"pattern": "^[0-9]{1,9}$"},
    "plot": {"pattern": f"^({'|'.join(PLOTS)})$"},
    "form": {"pattern": "^[a-z]{1,62}$", "description": "The name of a compiled form."},
    "call": {"pattern": "^[a-z]{1,62}$"},
    "verb": {"pattern": f"^({VerbConverter.regex})$"},
    "path": {
        "pattern": "^[a-z]{1,60}(/[A-Za-z0-9_./ -]{1,900})?$",
        "description": "`uploads/<directory>/<file>` or `models/<name>/<version>/<file>`. Names of "
        "files may also have letters of other languages.",
    },
}
"""The schemas of path parameters, which flask-smorest describes only as strings."""
_PROBLEM = {"$ref": "#/components/responses/DEFAULT_ERROR"}
_TEXT = {"type": "string"}
_ERRORS: dict[str, tuple[str, dict[str, Any]]] = {
    "/v[12]": ("ErrorText", {"error": _TEXT}),
    "/api": ("ErrorCode", {"error_code": _TEXT, "message": _TEXT}),
    SCORING: ("ErrorCode", {"error_code": _TEXT, "message": _TEXT}),
}
"""The errors of other systems' protocols, by a pattern of the start of a path: the name of their
schema, and the members that they have besides those of a problem."""
_OVERVIEW = """\
Registers trained models of scikit-learn, XGBoost and LightGBM, serves every version at
`/models/{name}/{version}/predict`, and swaps versions under load.

Send `Authorization: Bearer hsw_…`, or the token as the password of Basic authentication. Errors are
`application/problem+json` (RFC 9457)."""
_CODINGS = (
    f"A Content-Encoding is accepted ({', '.join(ACCEPTED)}). Limits apply to the decoded body."
)


class Document(Api):  # type: ignore[misc]  # flask-smorest publishes no types
    """flask-smorest's API object. It describes the blueprints when the document is first read,
    since that takes as long as the rest of the start of an app. Errors are handled in
    ``api.problems``.
    """

    ERROR_SCHEMA = ProblemSchema

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self._blueprints: list[Blueprint] = []
        self._reading = Lock()
        self._described: dict[str, Any] | None = None

    def register_blueprint(self, resource: Blueprint) -> None:
        """Register ``resource`` with the app, as the base class does, but describe it later."""
        self._app.extensions["flask-smorest"]["blp_name_to_api"][resource.name] = self
        self._app.register_blueprint(resource)
        self._blueprints.append(resource)

    def read(self) -> dict[str, Any]:
        """The OpenAPI document. Safe to call from several threads."""
        with self._reading:
            if self._described is None:
                self._described = self._describe()
            return self._described

    def _describe(self) -> dict[str, Any]:
        spec = self.spec
        super()._register_responses()
        self.ma_plugin.converter.add_attribute_function(_object_limits)
        for scheme in _SCHEMES:
            spec.components.security_scheme(scheme, {"type": "http", "scheme": scheme})
        spec.components.schema("Metadata", schema=MetadataSchema)
        for name, schema in openapi_schemas().items():
            spec.components.schema(name, schema)
        spec.components.schema("StoredEvaluation", {"type": "object", **EVALUATION})
        for resource in self._blueprints:
            resource.register_views_in_doc(
                self, self._app, spec, name=resource.name, parameters=None
            )
            spec.tag({"name": resource.name, "description": resource.description})
        described: dict[str, Any] = spec.to_dict()
        _describe_problems(described)
        _describe_path_parameters(described)
        _require_reason_for_force(described)
        _describe_access(self._app, described)
        _describe_bodies(described)
        _describe_changes(described)
        _describe_protocols_errors(described)
        return described

    def _register_responses(self) -> None:
        """The base class would describe the response of every status at the start."""

    def _register_error_handlers(self) -> None:
        """The base class would register a handler with its own error format."""


def describe(app: Flask, blueprints: Sequence[Blueprint]) -> None:
    """Register ``blueprints`` with ``app``; the document describes them and the scopes they
    require."""
    app.config.update(
        API_TITLE="Hotswap",
        API_VERSION=RELEASE,
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={"info": {"description": _OVERVIEW}},
    )
    document = Document(app)
    for resource in blueprints:
        document.register_blueprint(resource)
    app.extensions[_KEY] = document


@blueprint.route("/openapi.json", methods=["GET"])
@allows("public")
@blueprint.response(200, {"type": "object"})
def get_openapi() -> Response:
    """The OpenAPI document."""
    servers = [{"url": request.root_path or "/"}]
    return jsonify({**current_app.extensions[_KEY].read(), "servers": servers})


@blueprint.route("/docs", methods=["GET"])
@allows("public")
@blueprint.response(200, {"type": "string"}, content_type="text/html")
def get_docs() -> Response:
    """A page on which to try the API."""
    return Response(render_template("docs.html"))


def _describe_problems(described: dict[str, Any]) -> None:
    """Correct the media type: flask-smorest describes every error as application/json."""
    for response in described["components"]["responses"].values():
        content = response.get("content", {})
        if "application/json" in content:
            response["content"] = {CONTENT_TYPE: content["application/json"]}


def _describe_protocols_errors(described: dict[str, Any]) -> None:
    """Describe the errors of other systems' protocols."""
    schemas = described["components"]["schemas"]
    problem = schemas["Problem"]
    for start, (name, members) in _ERRORS.items():
        schemas[name] = {
            **problem,
            "properties": {**members, **problem["properties"]},
            "required": [*members, *problem["required"]],
        }
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        for path, item in described["paths"].items():
            if re.match(start, path):
                for operation in item.values():
                    _replace_problems(operation, content)


def _replace_problems(operation: Any, content: dict[str, Any]) -> None:
    """Give every error of ``operation`` this ``content``."""
    responses = operation.get("responses", {}) if isinstance(operation, dict) else {}
    for status, answer in responses.items():
        if "$ref" in answer or CONTENT_TYPE in answer.get("content", {}):
            own = {} if "$ref" in answer else answer
            responses[status] = {"description": "Error", **own, "content": content}


def _describe_path_parameters(described: dict[str, Any]) -> None:
    for path in described["paths"].values():
        for parameter in path.get("parameters", ()):
            parameter["schema"] |= _NAMES[parameter["name"]]


def _object_limits(converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    """The limits on an object's keys and their number, which apispec leaves out."""
    if not isinstance(field, ma.fields.Dict):
        return {}
    limits: dict[str, Any] = {}
    for validator in field.validators:
        if isinstance(validator, AtMost):
            limits["maxProperties"] = validator.most
    if field.key_field is not None and field.key_field.validators:
        names = converter.field2property(field.key_field)
        limits["propertyNames"] = {key: value for key, value in names.items() if key != "type"}
    return limits


def _require_reason_for_force(described: dict[str, Any]) -> None:
    forced = {"properties": {"force": {"const": True}}, "required": ["force"]}
    reason = {"type": "string", "pattern": r"\S"}
    for name in ("Promote", "AliasTarget"):
        described["components"]["schemas"][name] |= {
            "if": forced,
            "then": {"properties": {"reason": reason}, "required": ["reason"]},
        }


def _describe_failures(path: str, operation: dict[str, Any]) -> None:
    statuses = ["401", "403"]
    if "{" in path:
        statuses += ["400", "404"]
    if "requestBody" in operation:
        statuses.append("400")
    for status in statuses:
        operation["responses"].setdefault(status, _PROBLEM)


def _describe_access(app: Flask, described: dict[str, Any]) -> None:
    for rule in app.url_map.iter_rules():
        access = access_of(app.view_functions[rule.endpoint])
        path = described["paths"].get(_path(rule.rule))
        if access is None or access.public or path is None:
            continue
        for method in rule.methods or ():
            if operation := cast("dict[str, Any] | None", path.get(method.lower())):
                _describe_failures(_path(rule.rule), operation)
                schemes: list[dict[str, Any]] = [{scheme: []} for scheme in _SCHEMES]
                operation["security"] = [*schemes, {}] if access.probed else schemes
                scopes = [scope for scope in (access.scope, access.instead) if scope]
                operation["x-scope"] = " or ".join(scopes) or "any"


def _describe_bodies(described: dict[str, Any]) -> None:
    problem = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    codings = {"schema": {"type": "string", "const": ", ".join(ACCEPTED)}}
    answers: dict[str, dict[str, Any]] = {
        "408": {"description": "The body arrived too slowly"},
        "413": {"description": "The decoded body is too large"},
        "415": {
            "description": "The media type or the content coding is not supported",
            "headers": {"Accept-Encoding": codings},
        },
    }
    for path in described["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and "requestBody" in operation:
                operation["requestBody"]["description"] = _CODINGS
                for status, answer in answers.items():
                    operation["responses"].setdefault(status, {**answer, "content": problem})


def _describe_changes(described: dict[str, Any]) -> None:
    """The header of answers to changes that wait for other hosts."""
    header = {
        "schema": {"type": "string"},
        "description": "Hosts that may still answer by what held before, since they go on without "
        "the database (HOTSWAP_WITHOUT_LEASE); separated by commas.",
    }
    for path in described["paths"].values():
        for method, operation in path.items():
            scope = operation.get("x-scope", "") if isinstance(operation, dict) else ""
            if method == "get" or not {"promote", "admin"}.intersection(scope.split(" or ")):
                continue
            for status, answer in operation["responses"].items():
                if status.startswith("2"):
                    answer.setdefault("headers", {})[HOSTS_HEADER] = header


def _path(rule: str) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
