"""API tokens."""

from typing import Any

from flask import Response

from api.access import allows, grant
from api.arguments import paging_of
from api.blueprints import Blueprint
from api.schemas.tokens import (
    MadeTokenSchema,
    NewTokenSchema,
    TokenPageSchema,
    TokenQuerySchema,
    TokenSchema,
)
from api.services import services
from api.sessions import db
from registry.errors import TokenNotFound
from registry.operations.create_token import create_token
from registry.operations.revoke_token import revoke_token
from registry.operations.rotate_token import rotate_token
from registry.reading import queries
from registry.reading.pages import Page
from registry.reading.views import View

blueprint = Blueprint("tokens", __name__, description="API tokens")


@blueprint.route("/tokens", methods=["GET"])
@allows("admin")
@blueprint.arguments(TokenQuerySchema, location="query")
@blueprint.response(200, TokenPageSchema)
def list_tokens(query: dict[str, Any]) -> Page:
    """List the tokens, newest first, without their values."""
    return queries.list_tokens(
        db.session(), paging_of(query), state=query.get("state"), text=query.get("q")
    )


@blueprint.route("/tokens", methods=["POST"])
@allows("admin")
@blueprint.arguments(NewTokenSchema)
@blueprint.response(201, MadeTokenSchema)
def post_token(body: dict[str, Any]) -> View:
    """Create a token. Its value is shown only in this response."""
    return create_token(services().database, actor=grant().name, **body)


@blueprint.route("/tokens/self", methods=["GET"])
@allows("any")
@blueprint.response(200, TokenSchema)
def get_own_token() -> View:
    """Show the token of this request, without its value."""
    return queries.own_token(db.session(), grant())


@blueprint.route("/tokens/<token:token_id>/rotate", methods=["POST"])
@allows("admin")
@blueprint.response(201, MadeTokenSchema)
def post_rotation(token_id: str) -> View:
    """Replace a token by a new one with the same name, rights and expiry, and revoke it
    immediately. The new value is shown only in this response."""
    return rotate_token(services().database, token_number(token_id), actor=grant().name)


@blueprint.route("/tokens/<token:token_id>", methods=["DELETE"])
@allows("admin")
@blueprint.response(204)
def delete_token(token_id: str) -> Response:
    """Revoke a token immediately. This cannot be undone."""
    revoke_token(services().database, token_number(token_id), actor=grant().name)
    return Response(status=204)


def token_number(token_id: str) -> int:
    """The id in a URL. Raises TokenNotFound."""
    if not (token_id.isascii() and token_id.isdigit() and len(token_id) <= 9):
        raise TokenNotFound(token_id)
    return int(token_id)
