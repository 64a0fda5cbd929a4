"""How a call of MLflow's clients becomes a route, and what its errors say."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Literal, TypeVar

from flask import Response, jsonify
from msgspec import Struct

from api.access import allows
from api.blueprints import Blueprint
from api.protocols.mlflow.answers import Answer
from api.protocols.mlflow.requests import body_schema_of, read_request, schema_of
from registry.errors import ModelArchived, ModelNotFound, VersionNotFound
from registry.tokens import Scope

PREFIX = "/api"
VIA = "mlflow"
"""What the history says of events that were requested through this protocol."""

blueprint = Blueprint(
    "mlflow", __name__, description="MLflow's registry", url_prefix=PREFIX, produces=None
)

_Arguments = TypeVar("_Arguments", bound=Struct)
_View = Callable[[_Arguments], Answer]


def call(
    method: str,
    path: str,
    scope: Scope | Literal["any"],
    arguments: type[_Arguments],
    answer: dict[str, Any],
) -> Callable[[_View[_Arguments]], _View[_Arguments]]:
    """Route ``method`` of ``path`` below ``/api/2.0/mlflow`` to a view of its arguments.

    ``answer`` is the schema of what the view returns.
    """

    def route(view: _View[_Arguments]) -> _View[_Arguments]:
        @wraps(view)
        def respond() -> Response:
            return jsonify(view(read_request(arguments)))

        described = blueprint.doc(**_described(method, arguments))(respond)
        described = blueprint.response(200, answer)(described)
        allowed = allows(scope, checks_model=True)(described)
        blueprint.route(f"/2.0/mlflow{path}", methods=[method])(allowed)
        return view

    return route


@contextmanager
def as_mlflow_says(name: str, version: str = "") -> Iterator[None]:
    """Raise what is not found, or archived, with the messages that MLflow's users know."""
    try:
        yield
    except VersionNotFound as error:
        error.detail = f"Model Version (name={name}, version={version}) not found"
        raise
    except (ModelNotFound, ModelArchived) as error:
        missing = ModelNotFound(name)
        missing.detail = f"Registered Model with name={name} not found"
        raise missing from error


def _described(method: str, arguments: type[Struct]) -> dict[str, Any]:
    if method != "GET":
        content = {"application/json": {"schema": body_schema_of(arguments)}}
        return {"requestBody": {"required": True, "content": content}}
    schema = schema_of(arguments)
    return {
        "parameters": [
            {"in": "query", "name": name, "schema": of, "required": name in schema["required"]}
            for name, of in schema["properties"].items()
        ]
    }
