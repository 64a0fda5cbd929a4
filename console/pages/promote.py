"""Promote a version: its gates, what would change, and why."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows, grant
from api.problems import status_of
from api.promotions import moved
from api.services import services
from api.sessions import db
from console.forms.moves import REFUSALS, ForceForm, MoveForm
from console.forms.once import idempotency_of
from console.forms.submitted import Form, submitted
from console.rendering import page
from console.review import changes, verdict_of
from registry.errors import (
    ExpectedVersionConflict,
    Fault,
    GateFailed,
    RegistryError,
    SplitActive,
)
from registry.names import PRODUCTION, check_alias
from registry.operations.evaluate import evaluate
from registry.operations.promote import PromotionRequest
from registry.operations.promote import promote as promote_version
from registry.reading.live_versions import live_versions
from registry.reading.queries import find_model, find_version, policy_of
from registry.reading.views import View, model_view, version_view
from registry.watching.rollouts import active_rollout

blueprint = Blueprint("promote", __name__)

_PATH = "/models/<name>/<version:version>/promote"


@blueprint.route(_PATH, methods=["GET"])
@allows("promote")
def show(name: str, version: str) -> AnyResponse:
    """Show what a promotion would do; nothing is measured."""
    alias = alias_in_query()
    row = find_version(db.session(), name, version)
    if version != str(row.number):
        there = url_for("console.promote.show", name=name, version=row.number, alias=alias)
        return redirect(there, 302)
    return _page(name, version, alias, Form())


@blueprint.route(_PATH, methods=["POST"])
@allows("promote")
def promote(name: str, version: str) -> AnyResponse:
    """Promote the version, as the API does."""
    alias = alias_in_query()
    force = "force" in request.form
    if force:
        grant().require("admin")
    form = submitted(ForceForm if force else MoveForm)
    if not form.is_valid:
        return _page(name, version, alias, form, status=422)
    wanted = PromotionRequest(
        actor=grant().name,
        alias=alias,
        reason=form.values["reason"],
        expected_version=form.values["expected_version"],
        expected_generation=form.values["expected_generation"],
        force=force,
        end_split="end_split" in request.form,
        idempotency=idempotency_of(form, f"promote {name} {version} {alias}"),
    )
    try:
        moved(promote_version, name, version, wanted)
    except REFUSALS as error:
        refused = form.refused(error.detail, _faults(error))
        return _page(name, version, alias, refused, status=status_of(type(error)), error=error)
    return to_the_model(name, alias)


@blueprint.route(f"{_PATH}/measure", methods=["POST"])
@allows("promote")
def measure(name: str, version: str) -> AnyResponse:
    """Evaluate the gates, and show the outcome on the page of the promotion."""
    alias = alias_in_query()
    evaluate(services().database, services().evaluator.report, name, version, alias=alias)
    there = url_for("console.promote.show", name=name, version=version, alias=alias)
    return redirect(there, 303)


def alias_in_query() -> str:
    """The alias that the URL names; ``production`` by default. Raises AliasMalformed."""
    return check_alias(request.args.get("alias") or PRODUCTION)


def to_the_model(name: str, alias: str) -> AnyResponse:
    """Lead to the model's page after ``alias`` was moved."""
    done = "1" if alias == PRODUCTION else None
    return redirect(url_for("console.model.show", name=name, done=done), 303)


def live_as(session: Session, name: str, alias: str) -> View | None:
    """What the alias points at; None if it does not exist."""
    found = live_versions(session, [name]).get(name, [])
    return next((one for one in found if one["alias"] == alias), None)


def _faults(error: RegistryError) -> Sequence[Fault]:
    if isinstance(error, SplitActive):
        return [Fault("end_split", "is required: the alias is split over other versions")]
    return error.faults


def _page(
    name: str,
    version: str,
    alias: str,
    form: Form,
    *,
    status: int = 200,
    error: RegistryError | None = None,
) -> Response:
    session = db.session()
    row = find_version(session, name, version)
    live = live_as(session, name, alias)
    verdict = verdict_of(session, name, row.number, alias)
    results: Sequence[Any] = verdict["gates"] if verdict is not None else ()
    if isinstance(error, GateFailed):
        results = error.results
    is_live = live is not None and live["version"] == row.number
    now = None if live is None else find_version(session, name, str(live["version"]))
    return page(
        "promote.html",
        status,
        form=form,
        model=model_view(find_model(session, name)),
        version=version_view(row),
        alias=alias,
        live=live,
        is_live=is_live,
        gates=policy_of(session, name)["gates"],
        results=results,
        evaluated_at=None if verdict is None else verdict["evaluated_at"],
        is_shut=any(not result["passed"] for result in results),
        changes=None if now is None or is_live else changes(session, now, row, verdict),
        memory_now=None if now is None else now.engine.get("memory_bytes"),
        has_moved=isinstance(error, ExpectedVersionConflict),
        rollout=active_rollout(session, name, alias),
    )
