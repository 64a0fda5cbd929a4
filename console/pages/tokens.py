"""Tokens: who may do what, until when, and who uses theirs."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import marshmallow as ma
from flask import Blueprint, Response, redirect, request, url_for
from marshmallow import validate
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows, grant
from api.problems import status_of
from api.schemas.fields import storable
from api.services import services
from api.sessions import db
from api.tokens import token_number
from console.forms.once import idempotency_of
from console.forms.submitted import Form, submitted
from console.fresh import live_page, service_state
from console.headers import keep_uncompressed
from console.queries import choice_in_query, number_in_query
from console.rendering import page
from registry.errors import Conflict, Refused
from registry.operations.create_token import MODEL_PATTERN, create_token
from registry.operations.revoke_token import revoke_token
from registry.operations.rotate_token import rotate_token
from registry.reading.pages import Paging
from registry.reading.queries import count_models, find_token, list_tokens
from registry.reading.views import View
from registry.storage.tables import utc_now
from registry.tokens import KINDS, SCOPES, TOKEN_STATES, TokenState

blueprint = Blueprint("tokens", __name__)

PAGE_SIZE = 50
STATES = (*TOKEN_STATES, "all")
LIFETIMES = ("90", "7", "30", "365", "never")
"""In days; the first is the default."""
SENTENCES = {
    "predict": "Ask models for predictions.",
    "upload": "Upload versions, and edit descriptions and tags.",
    "promote": "Promote versions and roll back.",
    "admin": "Everything: archive, force promotions, and make and revoke tokens.",
}
_SOON = timedelta(days=14)
_RECENTLY = timedelta(days=1)


class NewTokenForm(ma.Schema):
    name = ma.fields.String(required=True, validate=[validate.Length(min=1, max=200), storable])
    kind = ma.fields.String(required=True, validate=validate.OneOf(KINDS))
    scopes = ma.fields.List(
        ma.fields.String(validate=validate.OneOf(SCOPES)),
        required=True,
        error_messages={"required": "Choose at least one."},
    )
    models = ma.fields.String(load_default="", validate=validate.Length(max=10_000))
    lifetime = ma.fields.String(required=True, validate=validate.OneOf(LIFETIMES))


class RevokeForm(ma.Schema):
    name = ma.fields.String(load_default="")


@blueprint.route("/tokens", methods=["GET"])
@allows("admin")
def show() -> Response:
    """List the tokens, the valid ones by default."""
    session = db.session()
    return live_page(lambda: service_state(session), "tokens.html", lambda: _values(session))


@blueprint.route("/tokens/new", methods=["GET"])
@allows("admin")
def show_new() -> Response:
    """The form of a new token."""
    return _new_page(Form())


@blueprint.route("/tokens/new", methods=["POST"])
@allows("admin")
def create() -> Response:
    """Create a token, and show its value this once."""
    form = submitted(NewTokenForm)
    if not form.is_valid:
        return _new_page(form, 422)
    days = form.values["lifetime"]
    try:
        made = create_token(
            services().database,
            form.values["name"],
            form.values["scopes"],
            actor=grant().name,
            kind=form.values["kind"],
            models=_patterns(form.values["models"]) or None,
            expires_at=None if days == "never" else utc_now() + timedelta(days=int(days)),
            idempotency=idempotency_of(form, "create token"),
        )
    except (Conflict, Refused) as error:
        return _new_page(form.refused(error.detail, error.faults), status_of(type(error)))
    return _made_page(made)


@blueprint.route("/tokens/matches", methods=["GET"])
@allows("admin")
def show_matches() -> Response:
    """How many models the typed patterns match."""
    return page("token_matches.html", **_matches(request.args.get("models", "")))


@blueprint.route("/tokens/<token:token_id>", methods=["GET"])
@allows("admin")
def show_one(token_id: str) -> Response:
    """Show a token, and what ends it."""
    return _token_page(token_id, Form())


@blueprint.route("/tokens/<token:token_id>/rotate", methods=["POST"])
@allows("admin")
def rotate(token_id: str) -> Response:
    """Replace the token, and show the new value this once."""
    try:
        made = rotate_token(services().database, token_number(token_id), actor=grant().name)
    except Refused as error:
        return _token_page(token_id, Form().refused(error.detail), status_of(type(error)))
    return _made_page(made, replaced=int(token_id))


@blueprint.route("/tokens/<token:token_id>/revoke", methods=["POST"])
@allows("admin")
def revoke(token_id: str) -> AnyResponse:
    """Revoke the token; one that is in use only if its name is typed."""
    form = submitted(RevokeForm)
    token = _row(find_token(db.session(), token_number(token_id)))
    if token["is_in_use"] and form.text("name") != token["name"].strip():
        fault = {"name": f"Type the name of the token: {token['name']}"}
        return _token_page(token_id, Form(form.typed, form.values, fault), 422)
    try:
        revoke_token(services().database, token["id"], actor=grant().name)
    except Conflict as error:
        return _token_page(token_id, form.refused(error.detail), status_of(type(error)))
    return redirect(url_for("console.tokens.show", state="revoked"), 303)


def _new_page(form: Form, status: int = 200) -> Response:
    typed_scopes = request.form.getlist("scopes")
    return page(
        "token_new.html",
        status,
        form=form,
        typed_scopes=typed_scopes,
        sentences=SENTENCES,
        kinds=KINDS,
        lifetimes=LIFETIMES,
        **_matches(form.text("models")),
    )


def _token_page(token_id: str, form: Form, status: int = 200) -> Response:
    token = _row(find_token(db.session(), token_number(token_id)))
    return page("token.html", status, token=token, form=form, sentences=SENTENCES)


def _made_page(made: View, replaced: int | None = None) -> Response:
    keep_uncompressed()
    return page("token_made.html", made=made, replaced=replaced, own=grant().token_id)


def _values(session: Session) -> dict[str, Any]:
    state = choice_in_query("state", STATES)
    text = request.args.get("q", "").strip().replace("\0", "")
    paging = Paging(number_in_query("page"), PAGE_SIZE)
    chosen = None if state == "all" else cast("TokenState", state)
    found = list_tokens(session, paging, state=chosen, text=text or None)
    return {
        "found": found,
        "rows": [_row(token) for token in found["items"]],
        "paging": paging,
        "chosen_state": state,
        "states": STATES,
        "text": text,
    }


def _row(token: View) -> View:
    """The token with its state, and whether it ends soon and was used in the last day."""
    now = datetime.now(UTC)
    expires, used = _time(token["expires_at"]), _time(token["last_used_at"])
    state = "valid"
    if token["revoked_at"]:
        state = "revoked"
    elif expires is not None and expires <= now:
        state = "expired"
    return {
        **token,
        "state": state,
        "ends_soon": state == "valid" and expires is not None and expires - now < _SOON,
        "is_in_use": state == "valid" and used is not None and now - used < _RECENTLY,
    }


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _patterns(text: str) -> list[str]:
    """Patterns as people separate them: by commas, spaces or lines."""
    return text.replace(",", " ").split()


def _matches(text: str) -> dict[str, Any]:
    """How many models the patterns in ``text`` match; without any, all of them."""
    patterns = _patterns(text)
    wrong = [pattern for pattern in patterns if not MODEL_PATTERN.fullmatch(pattern)]
    every = count_models(db.session())
    matching = every if wrong or not patterns else count_models(db.session(), patterns)
    return {"wrong": wrong, "patterns": patterns, "matching": matching, "every": every}
