"""Start a rollout: its steps, its guards, and why."""

import marshmallow as ma
from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows, grant
from api.problems import status_of
from api.rollouts import started
from api.sessions import db
from console.forms.moves import REFUSALS, MoveForm, reason_field
from console.forms.once import idempotency_of
from console.forms.plans import proposed_form, read_plan, step_rows, with_plan_faults
from console.forms.submitted import Form, submitted
from console.pages.promote import alias_in_query, live_as
from console.rendering import page
from registry.errors import ExpectedVersionConflict, PlanMalformed, RegistryError
from registry.operations.start_rollout import RolloutRequest
from registry.reading.queries import find_model, find_version
from registry.reading.views import View, model_view, version_view
from registry.rollouts.plan import MOST_STEPS
from registry.storage.tables import utc_now
from registry.watching.recorded_traffic import last_hour
from registry.watching.rollouts import active_rollout

blueprint = Blueprint("start_rollout", __name__)

_PATH = "/models/<name>/<version:version>/rollout"
_MORE = "more"
"""The button that adds a step to the form."""


class StartForm(MoveForm):
    """What is not part of the plan. ``force``: although gates fail or the version is cooling
    down."""

    force = ma.fields.Boolean(load_default=False)


class ForcedForm(StartForm):
    reason = reason_field(10, "is required, with at least 10 characters")


@blueprint.route(_PATH, methods=["GET"])
@allows("promote")
def show(name: str, version: str) -> AnyResponse:
    """Show the form, with a plan that suits most models."""
    row = find_version(db.session(), name, version)
    if version != str(row.number):
        alias = alias_in_query()
        there = url_for("console.start_rollout.show", name=name, version=row.number, alias=alias)
        return redirect(there, 302)
    return _page(name, version, proposed_form())


@blueprint.route(_PATH, methods=["POST"])
@allows("promote")
def start_rollout(name: str, version: str) -> AnyResponse:
    """Start the rollout, as the API does, or show the form with another step."""
    alias, force = alias_in_query(), "force" in request.form
    if force:
        grant().require("admin")
    form = submitted(ForcedForm if force else StartForm)
    if _MORE in request.form:
        return _page(name, version, Form(form.typed))
    try:
        plan = read_plan(form)
    except PlanMalformed as error:
        marked = with_plan_faults(form, error)
        faults = {**form.faults, **marked.faults}
        return _page(name, version, Form(form.typed, {}, faults), status=422)
    if not form.is_valid:
        return _page(name, version, form, status=422)
    wanted = RolloutRequest(
        actor=grant().name,
        alias=alias,
        reason=form.values["reason"],
        expected_version=form.values["expected_version"],
        expected_generation=form.values["expected_generation"],
        idempotency=idempotency_of(form, f"start rollout {name} {version} {alias}"),
        plan=plan,
        force=force,
    )
    try:
        started(name, version, wanted)
    except REFUSALS as error:
        refused = form.refused(error.detail, error.faults)
        return _page(name, version, refused, status=status_of(type(error)), error=error)
    return redirect(url_for("console.rollout.show", name=name, alias=alias), 303)


def _page(
    name: str, version: str, form: Form, *, status: int = 200, error: RegistryError | None = None
) -> Response:
    session, alias = db.session(), alias_in_query()
    live = live_as(session, name, alias)
    rows = step_rows(form, more=_MORE in request.form)
    return page(
        "rollout_new.html",
        status,
        form=form,
        model=model_view(find_model(session, name)),
        version=version_view(find_version(session, name, version)),
        alias=alias,
        live=live,
        rollout=active_rollout(session, name, alias),
        requests=_requests(session, name, alias, live),
        rows=rows,
        may_have_more=len(rows) < MOST_STEPS - 1,
        has_moved=isinstance(error, ExpectedVersionConflict),
    )


def _requests(session: Session, name: str, alias: str, live: View | None) -> int:
    """The champion's requests in the last hour."""
    if live is None:
        return 0
    return last_hour(session, name, alias, live["version"], utc_now()).requests
