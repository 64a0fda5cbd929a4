"""Roll back: which version goes, which comes back, and why."""

from itertools import islice
from typing import NamedTuple

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows, grant
from api.problems import status_of
from api.promotions import moved, observed
from api.services import services
from api.sessions import db
from console.formats import parse_time
from console.forms.moves import REFUSALS, MoveForm
from console.forms.once import idempotency_of
from console.forms.submitted import Form, submitted
from console.pages.promote import alias_in_query, live_as, to_the_model
from console.queries import number_in_query
from console.rendering import page
from console.traffic import error_shares
from registry.errors import (
    ExpectedVersionConflict,
    GateFailed,
    RegistryError,
    SplitNotFound,
    VersionNotLoadable,
    VersionNotReady,
)
from registry.operations.end_split import end_split
from registry.operations.promote import PromotionRequest
from registry.operations.rollback import rollback as roll_back
from registry.reading.alias_moves import Tenure, tenures
from registry.reading.queries import find_model
from registry.reading.trail import trail
from registry.reading.views import View, model_view
from registry.storage.tables import VersionRow

blueprint = Blueprint("rollback", __name__)

REASONS = ("wrong answers", "errors", "too slow")
"""Each is one press."""
CANNOT_SERVE = (GateFailed, VersionNotLoadable, VersionNotReady)
"""Errors after which the next version is offered."""
_MOST = 20
_MOST_READ = 200
"""Of the trail, in which a version can be several times."""


class Earlier(NamedTuple):
    """A version that the alias can go back to. ``tenure``: when it was last live; ``failed``: the
    part of its requests that failed then. None: unknown."""

    number: int
    kind: str
    status: str
    tenure: Tenure | None
    failed: float | None


@blueprint.route("/models/<name>/rollback", methods=["GET"])
@allows("promote")
def show(name: str) -> Response:
    """Show what comes back: the version before, or the one that the URL names; of an alias that is
    split, without one, that the split ends."""
    return _page(name, Form())


@blueprint.route("/models/<name>/rollback", methods=["POST"])
@allows("promote")
def rollback(name: str) -> AnyResponse:
    """Roll back to the version that the URL names, as the API does; without one end the split,
    which is what the page said then."""
    alias, target = alias_in_query(), _target()
    form = submitted(MoveForm)
    if not form.is_valid:
        return _page(name, form, status=422)
    wanted = PromotionRequest(
        actor=grant().name,
        alias=alias,
        reason=form.values["reason"],
        expected_version=form.values["expected_version"],
        expected_generation=form.values["expected_generation"],
        idempotency=idempotency_of(form, f"rollback {name} {alias} {target}"),
    )
    try:
        if target is None:
            observed(lambda: end_split(services().database, name, wanted))
        else:
            moved(roll_back, name, wanted, target)
    except (*REFUSALS, SplitNotFound) as error:
        refused = form.refused(error.detail, error.faults)
        return _page(name, refused, status=status_of(type(error)), error=error)
    return to_the_model(name, alias)


def _target() -> int | None:
    """The version that the URL names; None: the one before."""
    return number_in_query("to", 0) or None


def _page(
    name: str, form: Form, *, status: int = 200, error: RegistryError | None = None
) -> Response:
    session = db.session()
    alias, target = alias_in_query(), _target()
    live = live_as(session, name, alias)
    ends_split = live is not None and live["split"] is not None and target is None
    earlier = _earlier(session, name, alias)
    failed = target if isinstance(error, CANNOT_SERVE) else None
    usable = [one for one in earlier if one.status == "ready" and one.number != failed]
    chosen = next((one for one in usable if one.number == target), None)
    return page(
        "rollback.html",
        status,
        form=form,
        model=model_view(find_model(session, name)),
        alias=alias,
        live=live,
        ends_split=ends_split,
        split_is_gone=error is not None and target is None and not ends_split,
        failed_since=_failed_since(session, name, alias, live),
        target=target,
        failed=failed,
        previous=next(iter(earlier), None),
        chosen=chosen or next(iter(usable), None),
        earlier=earlier,
        reasons=REASONS,
        has_moved=isinstance(error, ExpectedVersionConflict),
    )


def _earlier(session: Session, name: str, alias: str) -> list[Earlier]:
    """The versions that the alias can go back to, the last one first."""
    now, *before = [*islice(trail(session, name, alias), _MOST_READ)] or [0]
    numbers = [one for one in dict.fromkeys(before) if one != now][:_MOST]
    found = session.execute(
        select(VersionRow.number, VersionRow.kind, VersionRow.status).where(
            VersionRow.model == name, VersionRow.number.in_(numbers)
        )
    )
    versions = {number: (kind, status) for number, kind, status in found}
    last = {one.number: one for one in tenures(session, name, alias)}
    since = {number: last[number].since for number in numbers if number in last}
    failed = error_shares(session, name, alias, since)
    return [
        Earlier(number, *versions[number], last.get(number), failed.get(number))
        for number in numbers
    ]


def _failed_since(session: Session, name: str, alias: str, live: View | None) -> float | None:
    """The part of the requests to the live version that failed; None: unknown."""
    if live is None or live["since"] is None:
        return None
    since = {live["version"]: parse_time(live["since"])}
    return error_shares(session, name, alias, since).get(live["version"])
