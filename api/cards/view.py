"""The route of model cards."""

from typing import Any

from flask import Response, request

from api.access import allows
from api.blueprints import Blueprint
from api.cards.html import MEDIA_TYPE as HTML
from api.cards.html import POLICY, to_html
from api.negotiation import best_type
from api.schemas.versions import CardQuerySchema
from api.services import services
from api.sessions import db
from registry.cards.content import card_of
from registry.cards.markdown import MEDIA_TYPE as MARKDOWN
from registry.cards.markdown import to_markdown

blueprint = Blueprint("cards", __name__, description="Model cards", produces=None)

_BY_NAME = {"markdown": MARKDOWN, "html": HTML}


@blueprint.route("/models/<name>/<version:version>/card", methods=["GET"])
@allows("any")
@blueprint.arguments(CardQuerySchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type=MARKDOWN)
@blueprint.alt_response(200, schema={"type": "string"}, content_type=HTML, success=True)
def get_card(query: dict[str, Any], name: str, version: str) -> Response:
    """Show the model card of a version, as Markdown, or as HTML by Accept or ?format=."""
    wanted = _BY_NAME.get(query.get("format", ""))
    media_type = wanted or best_type(request.headers.get("Accept"), (MARKDOWN, HTML))
    service = services().settings.public_url or request.url_root.rstrip("/")
    card = card_of(db.session(), name, version, service)
    if media_type == HTML:
        answer = Response(to_html(card), content_type=f"{HTML}; charset=utf-8")
        answer.headers["Content-Security-Policy"] = POLICY
    else:
        answer = Response(to_markdown(card), content_type=f"{MARKDOWN}; charset=utf-8; variant=GFM")
    answer.vary.add("Accept")
    return answer
