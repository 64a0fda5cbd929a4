"""A rollout: its steps, why it is where it is, what its guards say, and what a person may do."""

from typing import Any

import marshmallow as ma
from flask import Blueprint, Response, redirect, url_for
from marshmallow import validate
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows, grant
from api.problems import status_of
from api.promotions import moved
from api.services import services
from api.sessions import db
from console.forms.moves import REFUSALS, reason_field
from console.forms.once import idempotency_of
from console.forms.submitted import Form, submitted
from console.fresh import live_page, model_state
from console.pages.promote import alias_in_query
from console.rendering import page
from console.rollouts import VERBS, RolloutShown, Verb, rollout_shown
from console.splits import split_shown
from registry.errors import SplitNotFound
from registry.operations.move_rollout import RolloutMove
from registry.operations.steer_rollout import (
    abort_rollout,
    finish_rollout,
    pause_rollout,
    resume_rollout,
)
from registry.reading.queries import find_model
from registry.reading.views import model_view
from registry.storage.tables import utc_now
from registry.watching.rollouts import find_rollout, rollout_view

blueprint = Blueprint("rollout", __name__)


class VerbForm(ma.Schema):
    """What a person does with a rollout, as they saw it when the page was made."""

    reason = reason_field(1, "is required: say why")
    expected_revision = ma.fields.Integer(required=True, validate=validate.Range(min=1))


@blueprint.route("/models/<name>/rollout", methods=["GET"])
@allows("any")
def show(name: str) -> Response:
    """Show the rollout in progress under the alias that the URL names, or the last one."""
    session, alias = db.session(), alias_in_query()

    def state() -> str:
        row = find_rollout(session, name, alias)
        return f"{model_state(session, name)} {row.id} {row.revision} {row.evidence_at}"

    return live_page(state, "rollout.html", lambda: _values(session, name, alias))


@blueprint.route("/models/<name>/rollout/<verb>", methods=["GET"])
@allows("promote")
def show_verb(name: str, verb: str) -> AnyResponse:
    """Show what the verb would do."""
    return _verb_page(name, _verb(verb), Form())


@blueprint.route("/models/<name>/rollout/<verb>", methods=["POST"])
@allows("promote")
def steer(name: str, verb: str) -> AnyResponse:
    """Pause, resume, abort or finish the rollout, as the API does."""
    alias, chosen = alias_in_query(), _verb(verb)
    form = submitted(VerbForm)
    if not form.is_valid:
        return _verb_page(name, chosen, form, status=422)
    move = RolloutMove(
        actor=grant().name,
        alias=alias,
        reason=form.values["reason"],
        expected_revision=form.values["expected_revision"],
        idempotency=idempotency_of(form, f"{chosen} rollout {name} {alias}"),
    )
    try:
        if chosen == "pause":
            pause_rollout(services().database, name, move)
        elif chosen == "resume":
            resume_rollout(services().database, name, move)
        else:
            moved(abort_rollout if chosen == "abort" else finish_rollout, name, move)
    except REFUSALS as error:
        refused = form.refused(error.detail, error.faults)
        return _verb_page(name, chosen, refused, status=status_of(type(error)))
    return redirect(url_for("console.rollout.show", name=name, alias=alias), 303)


def _verb(text: str) -> Verb:
    if text not in VERBS:
        raise NotFound
    return text


def _verb_page(name: str, verb: Verb, form: Form, *, status: int = 200) -> Response:
    session, alias = db.session(), alias_in_query()
    return page(
        "rollout_verb.html",
        status,
        form=form,
        verb=verb,
        model=model_view(find_model(session, name)),
        shown=_shown(session, name, alias),
    )


def _values(session: Session, name: str, alias: str) -> dict[str, Any]:
    shown = _shown(session, name, alias)
    split = None
    if shown.is_active:
        try:
            split = split_shown(session, name, alias)
        except SplitNotFound:  # it is baking
            split = None
    return {"model": model_view(find_model(session, name)), "shown": shown, "split": split}


def _shown(session: Session, name: str, alias: str) -> RolloutShown:
    now = utc_now()
    return rollout_shown(rollout_view(find_rollout(session, name, alias), now), now)
